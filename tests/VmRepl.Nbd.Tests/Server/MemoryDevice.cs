using VmRepl.Blocks;

namespace VmRepl.Nbd.Tests.Server;

/// <summary>A disk in an array, with a map by blocks of 4096 bytes, and hooks for a test to get in between.</summary>
internal sealed class MemoryDevice(int length, bool isReadOnly = false) : IBlockDevice
{
    private const int BlockBytes = 4096;

    private readonly Lock gate = new();
    private readonly BlockState[] states = new BlockState[(length + BlockBytes - 1) / BlockBytes];

    public byte[] Bytes { get; } = new byte[length];

    public long Length => Bytes.Length;

    public int SectorSize => 512;

    public bool IsReadOnly => isReadOnly;

    public int Flushes { get; private set; }

    /// <summary>Called before a request is carried out, without a lock.</summary>
    public Action<string, long, long>? Before { get; set; }

    public void Read(long offset, Span<byte> buffer)
    {
        Before?.Invoke("read", offset, buffer.Length);
        lock (gate) Bytes.AsSpan((int)offset, buffer.Length).CopyTo(buffer);
    }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        Before?.Invoke("write", offset, data.Length);
        lock (gate)
        {
            data.CopyTo(Bytes.AsSpan((int)offset));
            for (var block = offset / BlockBytes; block * BlockBytes < offset + data.Length; block++) states[block] = BlockState.Data;
        }
    }

    public void Zero(long offset, long count) => Clear("zero", offset, count, BlockState.Zero);

    public void Punch(long offset, long count) => Clear("punch", offset, count, BlockState.Unallocated);

    public void Flush()
    {
        Before?.Invoke("flush", 0, 0);
        lock (gate) Flushes++;
    }

    public IEnumerable<MapExtent> Map(long offset, long count)
    {
        for (var end = offset + count; offset < end;)
        {
            var next = Math.Min(end, ((offset / BlockBytes) + 1) * BlockBytes);
            yield return new MapExtent(offset, next - offset, states[offset / BlockBytes]);
            offset = next;
        }
    }

    public void Dispose()
    {
    }

    private void Clear(string what, long offset, long count, BlockState state)
    {
        Before?.Invoke(what, offset, count);
        lock (gate)
        {
            Bytes.AsSpan((int)offset, (int)count).Clear();
            for (var block = (offset + BlockBytes - 1) / BlockBytes; (block + 1) * BlockBytes <= offset + count; block++) states[block] = state;
        }
    }
}
