using VmRepl.Blocks.Files;

namespace VmRepl.Images.Tests;

/// <summary>
/// A file in memory that remembers every change since the last flush, so that a test can see what a power cut at any change could leave:
/// all that was flushed, and of the rest any part, a write cut at any multiple of 512 bytes included.
/// </summary>
internal sealed class CrashFile : IHostFile
{
    private readonly List<(long Offset, byte[]? Bytes, long Length)> pending = [];
    private byte[] durable;
    private byte[] current;
    private readonly Lock gate = new();

    public CrashFile(byte[] contents)
    {
        durable = [.. contents];
        current = [.. contents];
    }

    /// <summary>Called before each change and each flush.</summary>
    public Action? BeforeChange { get; set; }

    public string Path => "memory";

    public long Length => current.Length;

    public bool IsReadOnly { get; init; }

    /// <summary>All of it, as it reads now.</summary>
    public byte[] Contents => [.. current];

    public FileIdentity Identity => new(0, 0, Length, 0, 0);

    /// <summary>What a power cut now could leave, by the choices of <paramref name="random"/>.</summary>
    public byte[] AfterCrash(Random random)
    {
        var left = durable;
        var isCopy = false;
        foreach (var (offset, bytes, length) in pending)
        {
            var fate = random.Next(4);
            if (fate == 0) continue;
            var kept = fate == 1 && bytes is not null ? random.Next((int)(length / 512) + 1) * 512 : length;
            if (!isCopy) (left, isCopy) = ([.. left], true);
            left = Apply(left, offset, bytes, kept);
        }

        return isCopy ? left : [.. left];
    }

    public int Read(long offset, Span<byte> buffer)
    {
        lock (gate)
        {
            var count = (int)Math.Clamp(current.Length - offset, 0, buffer.Length);
            if (count > 0) current.AsSpan((int)offset, count).CopyTo(buffer);
            return count;
        }
    }

    public void Write(long offset, ReadOnlySpan<byte> data) => Change(offset, data.ToArray(), data.Length);

    // A length is a change of metadata: it is durable or not as a whole, and never undone by a shorter file here.
    public void SetLength(long length)
    {
        if (length > current.Length) Change(length, [], 0);
    }

    public bool TryPunch(long offset, long length)
    {
        Change(offset, null, Math.Min(length, Math.Max(0, current.Length - offset)));
        return true;
    }

    public bool TryCloneRange(IHostFile source, long sourceOffset, long offset, long length) => false;

    public void Flush()
    {
        BeforeChange?.Invoke();
        lock (gate)
        {
            foreach (var (offset, bytes, length) in pending) durable = Apply(durable, offset, bytes, length);
            pending.Clear();
        }
    }

    public IEnumerable<FileRun> Map(long offset, long length)
    {
        var end = Math.Min(offset + length, Length);
        if (offset < end) yield return new FileRun(offset, end - offset, false);
    }

    public void Dispose()
    {
    }

    private void Change(long offset, byte[]? bytes, long length)
    {
        BeforeChange?.Invoke();
        lock (gate)
        {
            current = Apply(current, offset, bytes, length);
            pending.Add((offset, bytes, length));
        }
    }

    private static byte[] Apply(byte[] to, long offset, byte[]? bytes, long length)
    {
        if (offset + length > to.Length) Array.Resize(ref to, (int)(offset + length));
        if (bytes is null) to.AsSpan((int)offset, (int)length).Clear();
        else bytes.AsSpan(0, (int)length).CopyTo(to.AsSpan((int)offset));
        return to;
    }
}
