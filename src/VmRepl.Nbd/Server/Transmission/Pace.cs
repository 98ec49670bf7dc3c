using System.Diagnostics;
using VmRepl.Blocks.Files;

namespace VmRepl.Nbd.Server;

/// <summary>
/// Whether a connection's requests are so quick that the thread which receives them had better carry them out itself: handing one to another thread costs some microseconds, which is several times what a read of
/// the page cache takes. As soon as the device makes requests wait, they are handed out, so that many wait at a time. What a request only works is work for another thread, too, and writes of one file wait for one
/// another: it counts for less.
/// </summary>
internal sealed class Pace
{
    private const double QuickUsMax = 25;

    // A thread that lost its processor meanwhile counts for no more than this: one such is no sign of a slow device.
    private const double CountedUsMax = 150;
    private const double Weight = 1.0 / 8;
    private const double UsForKiB = 0.2;
    private const double WorkWeight = 1.0 / 3;

    // Many at a time wait for each other, and look as slow as the device that made them many: now and then one is tried alone.
    private const int TryEach = 64;

    private double averageUs;
    private int handedOut;

    /// <summary>Whether the next request is for whoever has the turn.</summary>
    public bool IsQuick() => averageUs < QuickUsMax || ++handedOut % TryEach == 0;

    /// <summary>Before a request is carried out in turn.</summary>
    /// <returns>For <see cref="NoteInTurn"/>.</returns>
    public ThreadUse Look() => averageUs > QuickUsMax * WorkWeight ? ThreadWaits.Look() : ThreadUse.Unknown;

    /// <param name="ticks">What the device took.</param>
    /// <param name="bytes">What it moved: copying takes its time on the quickest device.</param>
    /// <param name="before">As <see cref="Look"/> said before it.</param>
    public void NoteInTurn(long ticks, uint bytes, in ThreadUse before) => NoteInTurn(ticks, bytes, before, before.Waits < 0 ? before : ThreadWaits.Look());

    /// <inheritdoc cref="NoteInTurn(long, uint, in ThreadUse)"/>
    /// <param name="after">The same after it.</param>
    internal void NoteInTurn(long ticks, uint bytes, in ThreadUse before, in ThreadUse after)
    {
        var us = Math.Max(0, Us(ticks, bytes));
        // A lock that somebody had for some microseconds is a wait, too: what counts is how long it was.
        var worked = after.WorkedOf(before, us);
        var counted = us - worked + (worked * WorkWeight);
        // The others waited for each other, and this one, alone, for nothing.
        if (worked > 0 && averageUs >= QuickUsMax && counted < QuickUsMax) averageUs = QuickUsMax * WorkWeight * 2;
        Add(counted);
    }

    /// <summary>The same of one that was handed out.</summary>
    public void Note(long ticks, uint bytes) => Add(Us(ticks, bytes));

    /// <summary>One stood still.</summary>
    public void NoteStall() => averageUs = CountedUsMax;

    private static double Us(long ticks, uint bytes) => (ticks * 1e6 / Stopwatch.Frequency) - (bytes / 1024.0 * UsForKiB);

    // Threads may overwrite each other's figure: it is an estimate.
    private void Add(double us) => averageUs += (Math.Clamp(us, 0, CountedUsMax) - averageUs) * Weight;
}
