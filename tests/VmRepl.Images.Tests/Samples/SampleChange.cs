using System.Buffers.Binary;

namespace VmRepl.Images.Tests.Samples;

/// <summary>One change of a change set, whose layout is in images/README.md. Without bytes, the range becomes zeros.</summary>
internal sealed record SampleChange(long Offset, int Length, byte[]? Bytes)
{
    private const int HeaderBytes = 24;
    private const int ChangeBytes = 16;

    public static List<SampleChange> Read(string path, long diskLength)
    {
        ReadOnlySpan<byte> all = File.ReadAllBytes(path);
        Assert.That(all[..8].SequenceEqual("VMRCHNG1"u8), Is.True, path);
        Assert.That(BinaryPrimitives.ReadUInt64LittleEndian(all[8..]), Is.EqualTo((ulong)diskLength), path);
        var count = BinaryPrimitives.ReadUInt32LittleEndian(all[16..]);
        var changes = new List<SampleChange>();
        var at = HeaderBytes;
        for (var i = 0; i < count; i++)
        {
            var offset = (long)BinaryPrimitives.ReadUInt64LittleEndian(all[at..]);
            var length = (int)BinaryPrimitives.ReadUInt32LittleEndian(all[(at + 8)..]);
            var isZero = BinaryPrimitives.ReadUInt32LittleEndian(all[(at + 12)..]) == 1;
            at += ChangeBytes;
            changes.Add(new SampleChange(offset, length, isZero ? null : all.Slice(at, length).ToArray()));
            if (!isZero) at += length;
        }

        Assert.That(at, Is.EqualTo(all.Length), path);
        return changes;
    }
}
