using System.Diagnostics;

namespace VmRepl.Nbd.Server;

/// <summary>
/// Whether a connection's requests are so quick that the thread which receives them had better carry them out itself: handing one to another thread costs some microseconds, which is several times what a read of
/// the page cache takes. As soon as the device makes requests wait, they are handed out, so that many wait at a time.
/// </summary>
internal sealed class Pace
{
    private const double QuickUsMax = 25;

    // A thread that lost its processor meanwhile counts for no more than this: one such is no sign of a slow device.
    private const double CountedUsMax = 150;
    private const double Weight = 1.0 / 8;
    private const double UsForKiB = 0.2;

    private double averageUs;

    public bool IsQuick => averageUs < QuickUsMax;

    /// <param name="ticks">What the device took.</param>
    /// <param name="bytes">What it moved: copying takes its time on the quickest device.</param>
    public void Note(long ticks, uint bytes)
    {
        var us = (ticks * 1e6 / Stopwatch.Frequency) - (bytes / 1024.0 * UsForKiB);
        // Threads may overwrite each other's figure: it is an estimate.
        averageUs += (Math.Clamp(us, 0, CountedUsMax) - averageUs) * Weight;
    }

    /// <summary>One stood still.</summary>
    public void NoteStall() => averageUs = CountedUsMax;
}
