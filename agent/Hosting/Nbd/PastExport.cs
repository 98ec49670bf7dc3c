using VmRepl.Blocks;
using VmRepl.Journal.Points;
using VmRepl.Journal.Store;
using VmRepl.Journal.Views;
using VmRepl.Nbd;
using VmRepl.Nbd.Server;

namespace VmRepl.Agent.Hosting.Nbd;

/// <summary>
/// A disk of a group, opened for one client. Beside the contexts of every export it has <c>qemu:dirty-bitmap:POINT</c>, what was written after an earlier point, so that programs which make incremental backups
/// from QEMU's bitmaps make them from a replica; and, where it is written to, <c>vmrepl:scratch</c>, what was.
/// </summary>
internal sealed class PastExport(IBlockDevice device, string description, GroupStore group, DiskDescription disk, RecoveryPoint? point) : INbdExport
{
    /// <summary>Bit 0: written, zeroed or discarded through the attachment.</summary>
    public const string ScratchContext = "vmrepl:scratch";

    // Names in a list, newest first: any other point is found all the same.
    private const int BitmapsListed = 64;

    // Each is a view that is held open: a client may ask as often as it likes for as many as it likes.
    private const int BitmapsMax = 32;

    private readonly Dictionary<ulong, GroupView> since = [];

    public IBlockDevice Device => device;

    public string Description => description;

    public bool CanMultiConn { get; init; }

    /// <summary>Whether the device is a scratch layer over the point.</summary>
    public bool HasScratch { get; init; }

    /// <summary>Closed with the export.</summary>
    public GroupView? Owned { get; init; }

    public IReadOnlyList<string> ContextNames => HasScratch ? [ScratchContext]
        : [.. group.Journal.Points.Where(p => p.Bookmark is not null && IsEarlier(p)).Select(p => p.Bookmark!).Distinct().TakeLast(BitmapsListed).Select(name => NbdContextNames.DirtyBitmap + name)];

    public INbdContext? FindContext(string name)
    {
        if (name == ScratchContext) return HasScratch ? new ScratchStatus(device) : null;
        if (HasScratch || !name.StartsWith(NbdContextNames.DirtyBitmap, StringComparison.Ordinal)) return null;
        try
        {
            var earlier = group.FindPoint(name[NbdContextNames.DirtyBitmap.Length..]);
            if (!IsEarlier(earlier)) return null;
            if (!since.TryGetValue(earlier.Sequence, out var view))
            {
                if (since.Count == BitmapsMax) return null;
                // Open for as long as the client is there: what was written after the point stays known.
                since.Add(earlier.Sequence, view = group.OpenView(earlier));
            }

            return new ChangedStatus(view, disk.Id);
        }
        catch (Exception e) when (e is StoreException or ArgumentOutOfRangeException or ViewClosedException)
        {
            return null;
        }
    }

    public void Dispose()
    {
        foreach (var view in since.Values) view.Dispose();
        Owned?.Dispose();
    }

    private bool IsEarlier(RecoveryPoint other) => point is null || other.Sequence <= point.Sequence;
}
