using VmRepl.Journal;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Messages;
using VmRepl.Protocol.Names;
using VmRepl.Protocol.Security;

namespace VmRepl.Replication.Replica;

/// <summary>Why a peer may not have a group, as far as can be told without touching it.</summary>
internal static class OpeningRules
{
    /// <param name="identity">What the peer's certificate allows; null on a connection that needs none.</param>
    /// <returns>The reason, or null.</returns>
    public static Refusal? FindReason(ReplicaStore store, OpenGroup open, PeerIdentity? identity)
    {
        if (!NameRule.IsValid(open.Group) || open.Disks.Length == 0 || open.Disks.Select(d => d.Name).Distinct(StringComparer.OrdinalIgnoreCase).Count() != open.Disks.Length)
            return new Refusal(RefusalCode.Protocol, "the group or its disks are named in a way that is not allowed", NameRule.Text);
        if (open.CloneOf is not null && (!CloneGroupName.IsValid(open.Group) || open.Disks.Length != 1))
            return new Refusal(RefusalCode.Protocol, $"group {open.Group} cannot be a clone", "A clone has one disk, and is named clone- and 32 hexadecimal digits.");
        if (identity is not null && !identity.MayOpen(open.Group) && (open.CloneOf is null || !identity.MayOpen(open.CloneOf.Owner)))
            return new Refusal(RefusalCode.NotAllowed, $"group {open.Group}: the agent's certificate does not allow this group", $"Issue it with the SAN entry URI:vmrepl:group:{open.Group}.");
        try
        {
            return store.Find(open.Group) is { } present ? FindReason(open, present.Description) : null;
        }
        catch (Exception e) when (e is StoreException or JournalDamagedException)
        {
            return Damaged(open, e);
        }
    }

    public static Refusal? FindReason(OpenGroup open, GroupDescription present)
    {
        if (present.SourceId != open.SourceId)
            return new Refusal(RefusalCode.GroupTaken, $"group {open.Group} is in use: it belongs to another agent", "Choose another group name.");
        // The owner says who may open it, so nobody else may be named.
        if (present.CloneOf != Describe(open.CloneOf))
            return new Refusal(RefusalCode.GroupTaken, $"group {open.Group} is in use: it is {(present.CloneOf is null ? "no clone" : "a clone of something else")}", "A clone goes on as what it was begun as.");
#if SIMULATION_PLANTS
        if (!Simulation.Plant.Is(Simulation.Plant.AcceptOldEpoch))
#endif
        if (open.Epoch < present.Epoch)
            return new Refusal(RefusalCode.StaleEpoch, $"group {open.Group} is at epoch {present.Epoch}; this agent is at {open.Epoch} and has been fenced off", "The group runs elsewhere now.");
        if (!present.Disks.Select(d => (d.Id, d.Name, d.Length, d.SectorSize)).SequenceEqual(open.Disks.Select(d => (d.Id, d.Name, d.Length, d.SectorSize))))
            return new Refusal(RefusalCode.DisksDiffer, $"group {open.Group} has other disks at the replica: {string.Join(", ", present.Disks.Select(d => $"{d.Name} of {d.Length} bytes"))}",
                "Protect the VM under another group name; the points kept under this one can still be restored.");
        return null;
    }

    public static CloneDescription? Describe(DeclaredClone? clone) => clone is null ? null : new CloneDescription(clone.Owner, clone.Disk, clone.Base, clone.Name, clone.TimeUs);

    public static Refusal Damaged(OpenGroup open, Exception e) =>
        new(RefusalCode.Damaged, $"group {open.Group}: {e.Message}", "Restore what is needed from the other points, then protect the group under a new name.");
}
