using VmRepl.Blocks.Files;

namespace VmRepl.Journal.Tests.Holes;

/// <summary>A mapped file on a volume that has no holes.</summary>
internal sealed class HolelessMemory(IHostMemory inner) : IHostMemory
{
    public string Path => inner.Path;

    public long PageCount => inner.PageCount;

    public ReadOnlySpan<byte> Page(long index) => inner.Page(index);

    public Span<byte> WritablePage(long index) => inner.WritablePage(index);

    public void Reserve(long firstPage, long count) => inner.Reserve(firstPage, count);

    public bool TryPunch(long firstPage, long count) => false;

    public void Flush(long firstPage, long count) => inner.Flush(firstPage, count);

    public void Dispose() => inner.Dispose();
}
