using VmRepl.Journal.Points;
using VmRepl.Journal.Scrub;

namespace VmRepl.Replication.Reading;

/// <summary>Reads recovery points: of a bare store directory, or of a running replica.</summary>
public interface IPastReader : IAsyncDisposable
{
    /// <summary>The points of a group that records made, oldest first.</summary>
    Task<IReadOnlyList<RecoveryPoint>> PointsAsync(string group, CancellationToken cancellation);

    /// <summary>The points of a group, each with what it takes to take the live images back to it, and the stretches in which every sequence is one.</summary>
    Task<RecoveryRange> RangeAsync(string group, CancellationToken cancellation);

    /// <summary>The clones of a group, oldest first.</summary>
    Task<IReadOnlyList<StoredClone>> ClonesAsync(string group, CancellationToken cancellation);

    /// <summary>Opens a group as of a point.</summary>
    /// <param name="at">"latest", a bookmark, a sequence or a time.</param>
    Task<IPastView> OpenAsync(string group, string at, CancellationToken cancellation);

    /// <summary>Verifies everything that is kept of a group.</summary>
    /// <param name="bytesPerSecond">Most bytes read in a second; 0 for no limit.</param>
    Task<ScrubReport> ScrubAsync(string group, long bytesPerSecond, Action<ScrubProgress> progress, CancellationToken cancellation);
}
