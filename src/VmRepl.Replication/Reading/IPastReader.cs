using VmRepl.Journal.Points;

namespace VmRepl.Replication.Reading;

/// <summary>Reads recovery points: of a bare store directory, or of a running replica.</summary>
public interface IPastReader : IAsyncDisposable
{
    /// <summary>The points of a group, oldest first.</summary>
    Task<IReadOnlyList<RecoveryPoint>> PointsAsync(string group, CancellationToken cancellation);

    /// <summary>Opens a group as of a point.</summary>
    /// <param name="at">"latest", a bookmark, a sequence or a time.</param>
    Task<IPastView> OpenAsync(string group, string at, CancellationToken cancellation);
}
