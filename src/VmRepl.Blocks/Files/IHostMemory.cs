namespace VmRepl.Blocks.Files;

/// <summary>
/// A whole file as memory, in pages of <see cref="PageBytes"/>. What is stored in it is the file's at once and outlives the process, however that ends; the host's end it outlives only as far as it was flushed
/// (or written back by the host of its own accord: page by page, in no order, and torn at sectors).
/// Nobody may shorten the file meanwhile, and a page is to have its space (<see cref="Reserve"/>) before it is written: where a store finds no room the system ends the process.
/// Safe for concurrent use of different pages; nobody may be inside when it is disposed.
/// </summary>
public interface IHostMemory : IDisposable
{
    const int PageBytes = 4096;

    /// <summary>The file's name, for messages.</summary>
    string Path { get; }

    /// <summary>Whole pages.</summary>
    long PageCount { get; }

    /// <summary>A page to read. One without space is zeros, and gets none by it.</summary>
    ReadOnlySpan<byte> Page(long index);

    /// <summary>A page to read and write, until this is called again for it, or it is flushed or punched.</summary>
    Span<byte> WritablePage(long index);

    /// <summary>Takes space for pages that have none, which stay zeros.</summary>
    /// <exception cref="IOException">There is no room.</exception>
    void Reserve(long firstPage, long count);

    /// <summary>Gives the space of pages back, which are zeros then. False, with nothing done, where the volume cannot.</summary>
    bool TryPunch(long firstPage, long count);

    /// <summary>What was stored in the pages before is durable when this returns.</summary>
    /// <exception cref="IOException">It is not; nothing may be concluded from a later flush.</exception>
    void Flush(long firstPage, long count);
}
