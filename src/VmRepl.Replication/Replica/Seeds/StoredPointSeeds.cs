using VmRepl.Journal;
using VmRepl.Journal.Points;
using VmRepl.Journal.Store;
using VmRepl.Journal.Views;
using VmRepl.Protocol.Messages;
using VmRepl.Protocol.Names;
using VmRepl.Protocol.Security;

namespace VmRepl.Replication.Replica.Seeds;

/// <summary>
/// Seeds that the store has itself, by <see cref="PointSeedName"/>. Whoever may not open a group does not begin from it either, for
/// a seed is read in that peer's place. No file at the replica can be meant: a name with a colon in its first part is refused as a path.
/// </summary>
/// <param name="identity">What the peer's certificate allows; null on a connection that needs none.</param>
internal sealed class StoredPointSeeds(ReplicaStore store, PeerIdentity? identity)
{
    /// <summary>Opens a disk as of a point. The point stays in its group's range until it is closed, or gives way at a hard limit.</summary>
    /// <exception cref="SeedRefusedException">There is no such disk or point, or it is none of the peer's business.</exception>
    public OpenedSeed Open(DeclaredSeed seed)
    {
        if (seed.Format.Length > 0) throw new SeedRefusedException("a point has no image format", "Leave out ,format=.");
        if (!PointSeedName.TryParse(seed.File, out var group, out var disk, out var at)) throw new SeedRefusedException("it is not of the form group:GROUP/DISK or group:GROUP/DISK@POINT", "POINT is a time, a sequence or a bookmark.");
        // Said of groups that exist and of those that do not.
        if (!PeerRights.MayOpen(store, identity, group)) throw new SeedRefusedException($"the certificate does not allow group {group}", $"Issue it with the SAN entry URI:vmrepl:group:{group}.");
        GroupView? view = null;
        try
        {
            var found = store.Get(group);
            var id = found.Description.Disks.FirstOrDefault(d => d.Name == disk)?.Id
                ?? throw new SeedRefusedException($"group {group} has no disk {disk}", $"It has {string.Join(", ", found.Description.Disks.Select(d => d.Name))}.");
            view = found.OpenView(found.FindPoint(at ?? PointSelector.Latest));
            return new OpenedSeed(view.Disks[id], PointSeedName.Format, view);
        }
        catch (StoreException e)
        {
            throw new SeedRefusedException(e.Message, e.Hint, e);
        }
        catch (Exception e) when (e is JournalDamagedException or ArgumentOutOfRangeException or ViewClosedException or ObjectDisposedException or IOException)
        {
            view?.Dispose();
            throw new SeedRefusedException($"it cannot be read: {e.Message}", "Name another point: vmrepl points lists them.", e);
        }
    }
}
