using VmRepl.Journal;
using VmRepl.Journal.Store;
using VmRepl.Protocol;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Security;
using VmRepl.Replication;
using VmRepl.Replication.Reading;
using VmRepl.Replication.Source;

namespace VmRepl.Agent.Hosting;

/// <summary>Asks a group's replica what it knows of the last scrub, for <c>vmrepl status</c>, which must not wait long for a replica that is away.</summary>
internal static class ScrubStates
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(2);

    /// <returns>Null where the replica does not answer in time, has no such group yet, or is of a release that does not say.</returns>
    public static async Task<ScrubCoverage?> FindAsync(SourceAgent agent, string group, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(Limit);
        try
        {
            await using var reader = await ReplicaPastReader.OpenAsync(new FramedConnection(await agent.ConnectorOf(group).ConnectTransportAsync(limit.Token)), limit.Token);
            return await reader.ScrubCoverageAsync(group, limit.Token);
        }
        catch (Exception e) when (e is IOException or StoreException or ReplicationException or JournalDamagedException or ProtocolException or RefusedException or PeerAuthenticationException
            || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            // Status is about the group; that its replica cannot be asked is no failure of it.
            return null;
        }
    }
}
