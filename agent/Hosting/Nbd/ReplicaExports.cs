using System.Globalization;
using VmRepl.Blocks.Decorators;
using VmRepl.Journal;
using VmRepl.Journal.Points;
using VmRepl.Journal.Store;
using VmRepl.Journal.Views;
using VmRepl.Nbd.Server;
using VmRepl.Protocol.Security;
using VmRepl.Replication.Replica;
using VmRepl.Replication.Replica.Attachments;

namespace VmRepl.Agent.Hosting.Nbd;

/// <summary>
/// What a replica serves over NBD. <c>GROUP/DISK</c> is the live image; <c>GROUP/DISK@POINT</c> the disk as of a point, found when the client connects (<c>latest</c>, a time, a sequence or a bookmark);
/// <c>GROUP/DISK@SEQUENCE~NUMBER</c> an attachment. All but writable attachments are read-only.
/// </summary>
/// <param name="needsCertificate">Whether a client has to show one, which then says which groups it may open.</param>
internal sealed class ReplicaExports(ReplicaStore store, ViewAttachments attachments, bool needsCertificate) : INbdExports
{
    public IReadOnlyList<string> Names(NbdPeer peer) =>
    [
        .. store.Groups.Where(g => May(peer, g.Description.Name)).SelectMany(g => g.Description.Disks.Select(d => $"{g.Description.Name}/{d.Name}")),
        .. attachments.Of().Where(a => May(peer, a.Group)).SelectMany(a => a.Disks.Select(d => ViewAttachments.ExportName(a, d.Name))),
    ];

    public INbdExport Open(string name, NbdPeer peer)
    {
        var slash = name.IndexOf('/', StringComparison.Ordinal);
        if (slash <= 0) throw new NbdRefusedException("an export is named GROUP/DISK, or GROUP/DISK@POINT for a moment of the past");
        var (group, rest) = (name[..slash], name[(slash + 1)..]);
        var at = rest.IndexOf('@', StringComparison.Ordinal);
        var (disk, point) = at < 0 ? (rest, null) : (rest[..at], rest[(at + 1)..]);
        // Said of groups that exist and of those that do not.
        if (!May(peer, group)) throw new NbdRefusedException($"the certificate does not allow group {group}: issue it with the SAN entry URI:vmrepl:group:{group}", isPolicy: true);
        try
        {
            return Open(store.Get(group), disk, point);
        }
        catch (Exception e) when (e is StoreException or ArgumentOutOfRangeException or JournalDamagedException or ViewClosedException or IOException or ObjectDisposedException)
        {
            throw new NbdRefusedException(e.Message, cause: e);
        }
    }

    private INbdExport Open(GroupStore group, string disk, string? point)
    {
        var found = group.Description.Disks.FirstOrDefault(d => d.Name == disk) ?? throw new NbdRefusedException($"group {group.Description.Name} has no disk {disk}; it has {string.Join(", ", group.Description.Disks.Select(d => d.Name))}");
        if (point is null) return new PastExport(new ReadOnlyDevice(group.Live[found.Id]), $"{group.Description.Name}/{disk}, the live image", group, found, null) { CanMultiConn = true };
        var tilde = point.IndexOf('~', StringComparison.Ordinal);
        if (tilde >= 0) return OpenAttached(group, found, point[..tilde], point[(tilde + 1)..]);
        var view = group.OpenView(group.FindPoint(point));
        // Named by a number or a bookmark it is the same for every client that comes; "latest" and a time are not.
        var isFixed = point == view.Point.Bookmark || point == view.Point.Sequence.ToString(CultureInfo.InvariantCulture);
        return new PastExport(view.Disks[found.Id], Described(group, disk, view.Point), group, found, view.Point) { CanMultiConn = isFixed, Owned = view };
    }

    private PastExport OpenAttached(GroupStore group, DiskDescription disk, string sequence, string number)
    {
        if (!uint.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var id) || attachments.Find(id) is not { } attachment || attachment.Group != group.Description.Name
            || attachment.Point.Sequence.ToString(CultureInfo.InvariantCulture) != sequence || attachment.Disk(disk.Name) is not { } device)
            throw new NbdRefusedException($"nothing is attached as {group.Description.Name}/{disk.Name}@{sequence}~{number}");
        return new PastExport(device, $"{Described(group, disk.Name, attachment.Point)}{(attachment.IsWritable ? ", with a scratch layer" : "")}", group, disk, attachment.Point)
        {
            CanMultiConn = true,
            HasScratch = attachment.IsWritable,
        };
    }

    private static string Described(GroupStore group, string disk, RecoveryPoint point) =>
        $"{group.Description.Name}/{disk} as of {point.Time.UtcDateTime:yyyy-MM-ddTHH:mm:ss.ffffffZ}, sequence {point.Sequence}{(point.Bookmark is null ? "" : $", bookmark {point.Bookmark}")}";

    private bool May(NbdPeer peer, string group)
    {
        if (!needsCertificate) return true;
        return peer.Certificate is { } shown && PeerRights.MayOpen(store, PeerIdentity.Of(shown), group);
    }
}
