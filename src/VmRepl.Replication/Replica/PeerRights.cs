using VmRepl.Journal.Store;
using VmRepl.Protocol.Security;

namespace VmRepl.Replication.Replica;

/// <summary>Which groups of a store a peer may open: those that its certificate names, and the clones of those.</summary>
public static class PeerRights
{
    /// <param name="identity">What the peer's certificate allows; null on a connection that needs none.</param>
    public static bool MayOpen(ReplicaStore store, PeerIdentity? identity, string group) => identity is null || identity.MayOpen(group) || identity.MayOpen(store.OwnerOf(group));
}
