using VmRepl.Blocks.Scratch;

namespace VmRepl.Blocks.Tests.Scratch;

/// <summary>A read-only disk in memory: every third block of 4096 bytes is a hole, the others hold random bytes.</summary>
internal sealed class HoledDevice : IBlockDevice
{
    private const int BlockBytes = 4096;

    public HoledDevice(int length, int seed)
    {
        Contents = new byte[length];
        new Random(seed).NextBytes(Contents);
        for (var at = 0; at < length; at += 3 * BlockBytes) Contents.AsSpan(at, Math.Min(BlockBytes, length - at)).Clear();
    }

    public byte[] Contents { get; }

    public bool IsDisposed { get; private set; }

    public long Length => Contents.Length;

    public int SectorSize => Sectors.Size;

    public bool IsReadOnly => true;

    public static bool IsHole(long offset) => offset / BlockBytes % 3 == 0;

    public void Read(long offset, Span<byte> buffer) => Contents.AsSpan((int)offset, buffer.Length).CopyTo(buffer);

    public IEnumerable<MapExtent> Map(long offset, long length)
    {
        for (var end = offset + length; offset < end;)
        {
            var next = Math.Min(end, ((offset / BlockBytes) + 1) * BlockBytes);
            yield return new MapExtent(offset, next - offset, IsHole(offset) ? BlockState.Unallocated : BlockState.Data);
            offset = next;
        }
    }

    public void Write(long offset, ReadOnlySpan<byte> data) => throw Written();

    public void Zero(long offset, long length) => throw Written();

    public void Punch(long offset, long length) => throw Written();

    public void Flush() => throw Written();

    public void Dispose() => IsDisposed = true;

    private static AssertionException Written() => new($"a {nameof(ScratchDevice)} wrote below");
}
