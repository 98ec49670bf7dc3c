namespace VmRepl.Journal.Tests.Segments;

/// <summary>Opens <see cref="CountedFile"/>s and counts them. Safe for concurrent use.</summary>
internal sealed class CountedFiles
{
    private int opened;
    private int closed;
    private int openMost;
    private int usesAfterClose;
    private int closesAgain;

    public int Opened => Volatile.Read(ref opened);

    public int Closed => Volatile.Read(ref closed);

    /// <summary>The most that were open at a time.</summary>
    public int OpenMost => Volatile.Read(ref openMost);

    /// <summary>Reads that met a closed file, or one that was closed before they ended.</summary>
    public int UsesAfterClose => Volatile.Read(ref usesAfterClose);

    /// <summary>Files that were closed more than once.</summary>
    public int ClosesAgain => Volatile.Read(ref closesAgain);

    public CountedFile Open(byte number)
    {
        // Exact, where opening and closing exclude each other; else at least as many as there are.
        var now = Interlocked.Increment(ref opened) - Volatile.Read(ref closed);
        for (var most = OpenMost; now > most; most = OpenMost) Interlocked.CompareExchange(ref openMost, now, most);
        return new CountedFile(this, number);
    }

    public void CountClosed() => Interlocked.Increment(ref closed);

    public void CountClosedAgain() => Interlocked.Increment(ref closesAgain);

    public void CountUseAfterClose() => Interlocked.Increment(ref usesAfterClose);
}
