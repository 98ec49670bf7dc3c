using VmRepl.Journal;
using VmRepl.Journal.Rewind;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Messages;
using VmRepl.Protocol.Security;
using Point = VmRepl.Journal.Points.RecoveryPoint;

namespace VmRepl.Replication.Replica;

/// <summary>
/// Carries out one request to rewind a group, and tells the peer how far it is. The group's place among the sessions is held meanwhile, so nothing else is appended to it;
/// a peer that goes away changes nothing, a replica that stops leaves a resync open, which another rewind or a round of the source ends.
/// </summary>
internal sealed class RewindExchange(ReplicaSite site, FramedConnection connection, PeerIdentity? identity)
{
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromMilliseconds(200);

    private bool isHeard = true;

    /// <returns>The last word of the exchange.</returns>
    /// <exception cref="OperationCanceledException">The replica stops.</exception>
    public async Task<IMessage> RunAsync(RewindGroup request, CancellationToken cancellation)
    {
        var group = request.Group;
        if (!PeerRights.MayOpen(site.Store, identity, group)) return new Failure(RefusalCode.UnknownGroup, $"there is no group named {group} that this certificate allows", "");
        if (!await site.TryBeginRewindAsync(group, cancellation))
            return new Failure(RefusalCode.Busy, $"group {group} is being replicated, or rewound, at this moment", "Wait for the end of the round (vmrepl status shows it), then try again.");
        try
        {
            return await RewindAsync(request, cancellation);
        }
        catch (StoreException e)
        {
            return new Failure(RefusalCode.UnknownPoint, e.Message, e.Hint);
        }
        catch (ArgumentOutOfRangeException e)
        {
            return new Failure(RefusalCode.UnknownPoint, $"group {group}: the point left the recovery range just now ({e.Message})", "vmrepl points lists those that are left.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JournalDamagedException)
        {
            SessionLog.RewindFailed(site.Log, group, e.Message, e);
            return Explain(group, e);
        }
        finally
        {
            site.EndRewind(group);
        }
    }

    private async Task<IMessage> RewindAsync(RewindGroup request, CancellationToken cancellation)
    {
        var group = site.Store.Get(request.Group);
        if (group.Journal.IsFailed) group = site.Store.Reopen(request.Group);
        using var rewind = GroupRewind.Begin(group, group.FindPoint(request.To));
        SessionLog.Rewinding(site.Log, request.Group, connection.Peer, rewind.Point.Sequence, rewind.TotalBytes);
        var told = site.Time.GetTimestamp();
        while (rewind.Step())
        {
            cancellation.ThrowIfCancellationRequested();
            if (site.Time.GetElapsedTime(told) < ProgressInterval) continue;
            await TellAsync(new RewindProgress(rewind.TotalBytes, rewind.DoneBytes), cancellation);
            told = site.Time.GetTimestamp();
        }

        var made = rewind.Finish();
        SessionLog.Rewound(site.Log, request.Group, rewind.Point.Sequence, made.Sequence);
        return new Rewound(Describe(made), Describe(rewind.Point), rewind.DoneBytes);
    }

    private async Task TellAsync(IMessage message, CancellationToken cancellation)
    {
        if (!isHeard) return;
        try
        {
            await connection.SendAsync(message, cancellation);
        }
        catch (IOException)
        {
            isHeard = false;
        }
    }

    private static Failure Explain(string group, Exception e) => e switch
    {
        JournalFullException => new Failure(RefusalCode.NoSpace, $"group {group}: the replica has no room for the rewind: {e.Message}",
            "Every point is kept, and the newest one is as it was; free space or raise Journal:CapacityBytes and rewind again, or rewind to latest, or sync, to bring the live image back to a point."),
        JournalDamagedException => new Failure(RefusalCode.Damaged, $"group {group}: the rewind met damage: {e.Message}", "Rewind to another point, or to latest; earlier points are kept."),
        _ => new Failure(RefusalCode.Storage, $"group {group}: the replica's storage failed: {e.Message}", "Look at the replica's volume, then rewind again; every point is kept."),
    };

    private static RecoveryPoint Describe(Point point) => new(point.Sequence, point.TimeUs, point.Bookmark, point.Consistency);
}
