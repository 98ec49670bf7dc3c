using VmRepl.Blocks.Files;

namespace VmRepl.Images.Tests;

/// <summary>
/// A file in memory that remembers every change since its last flush, so that a test can ask what a crash might leave: any part of those changes, each 512-byte sector by itself.
/// </summary>
internal sealed class MemoryFile(string path, byte[] contents) : IHostFile
{
    private readonly Lock gate = new();
    private readonly List<(long Offset, byte[]? Bytes, long Length)> unflushed = [];
    private byte[] current = [.. contents];
    private byte[] durable = [.. contents];

    public string Path { get; } = path;

    public long Length => current.Length;

    public bool IsReadOnly => false;

    /// <summary>How often it was flushed.</summary>
    public int Flushes { get; private set; }

    /// <summary>When it reaches zero, writes fail from then on.</summary>
    public int WritesUntilFailure { get; set; } = int.MaxValue;

    /// <summary>Called before each change and each flush, so that a test can crash inside an operation.</summary>
    public Action BeforeChange { get; set; } = () => { };

    public FileIdentity Identity => new(1, (ulong)Path.GetHashCode(StringComparison.Ordinal), Length, 0, 0);

    public int Read(long offset, Span<byte> buffer)
    {
        lock (gate)
        {
            var read = (int)Math.Clamp(current.Length - offset, 0, buffer.Length);
            if (read > 0) current.AsSpan((int)offset, read).CopyTo(buffer);
            return read;
        }
    }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        BeforeChange();
        lock (gate)
        {
            if (WritesUntilFailure-- <= 0) throw new IOException($"{Path}: no space left");
            unflushed.Add((offset, data.ToArray(), 0));
            Apply(ref current, offset, data);
        }
    }

    public void SetLength(long length)
    {
        BeforeChange();
        lock (gate)
        {
            unflushed.Add((0, null, length));
            Array.Resize(ref current, (int)length);
        }
    }

    public bool TryPunch(long offset, long length)
    {
        Write(offset, new byte[length]);
        return true;
    }

    public bool TryCloneRange(IHostFile source, long sourceOffset, long offset, long length) => false;

    public void Flush()
    {
        BeforeChange();
        lock (gate)
        {
            Flushes++;
            unflushed.Clear();
            durable = [.. current];
        }
    }

    public IEnumerable<FileRun> Map(long offset, long length) => [new FileRun(offset, length, false)];

    public void Dispose()
    {
    }

    /// <summary>What may be on the disk after a crash now. Lengths grow as the changes that got through need.</summary>
    public byte[] AfterCrash(Random random)
    {
        lock (gate)
        {
            var left = durable.ToArray();
            var share = random.Next(5) / 4.0;
            foreach (var (offset, bytes, length) in unflushed)
            {
                if (bytes is null)
                {
                    if (random.NextDouble() < share && length > left.Length) Array.Resize(ref left, (int)length);
                    continue;
                }

                for (var at = 0; at < bytes.Length;)
                {
                    var step = Math.Min(bytes.Length - at, 512 - (int)((offset + at) % 512));
                    if (random.NextDouble() < share) Apply(ref left, offset + at, bytes.AsSpan(at, step));
                    at += step;
                }
            }

            return left;
        }
    }

    private static void Apply(ref byte[] to, long offset, ReadOnlySpan<byte> data)
    {
        if (offset + data.Length > to.Length) Array.Resize(ref to, (int)(offset + data.Length));
        data.CopyTo(to.AsSpan((int)offset));
    }
}
