using System.Buffers.Binary;
using VmRepl.Blocks;

namespace VmRepl.Agent.Demo;

/// <summary>
/// A sample disk's changes from one moment to the next (images/README.md has the layout): ranges that get new bytes, and ranges that become zeros.
/// </summary>
internal sealed class ChangeSet
{
    private const int HeaderBytes = 24, ChangeBytes = 16;

    private readonly List<(long Offset, int Length, byte[]? Contents)> changes = [];

    public int Count => changes.Count;

    public long Bytes => changes.Sum(c => (long)c.Length);

    /// <exception cref="InvalidDataException">The file is no change set.</exception>
    public static ChangeSet Read(string path)
    {
        var file = File.ReadAllBytes(path);
        if (file.Length < HeaderBytes || !file.AsSpan(0, 8).SequenceEqual("VMRCHNG1"u8)) throw new InvalidDataException($"{path} is no change set");
        var set = new ChangeSet();
        var count = BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(16));
        var at = HeaderBytes;
        for (var i = 0; i < count; i++)
        {
            var head = file.AsSpan(at, ChangeBytes);
            at += ChangeBytes;
            var length = BinaryPrimitives.ReadInt32LittleEndian(head[8..]);
            var hasContents = BinaryPrimitives.ReadInt32LittleEndian(head[12..]) == 0;
            set.changes.Add((BinaryPrimitives.ReadInt64LittleEndian(head), length, hasContents ? file[at..(at + length)] : null));
            if (hasContents) at += length;
        }

        return set;
    }

    public void ApplyTo(IBlockDevice disk)
    {
        foreach (var (offset, length, contents) in changes)
        {
            if (contents is null) disk.Zero(offset, length);
            else disk.Write(offset, contents);
        }

        disk.Flush();
    }
}
