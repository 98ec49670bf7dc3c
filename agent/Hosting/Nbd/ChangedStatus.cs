using VmRepl.Journal.Views;
using VmRepl.Nbd;
using VmRepl.Nbd.Server;

namespace VmRepl.Agent.Hosting.Nbd;

/// <summary>What was written to a disk after a point, as QEMU's dirty bitmaps say it: bit 0. Written after the export's own point counts as well; nothing that differs is left out.</summary>
internal sealed class ChangedStatus(GroupView since, uint disk) : INbdContext
{
    private const uint Dirty = 1;

    public IEnumerable<NbdExtent> Status(long offset, long length)
    {
        var end = offset + length;
        foreach (var part in since.TouchedSince(disk, offset, length))
        {
            if (part.Offset > offset) yield return new NbdExtent(part.Offset - offset, 0);
            yield return new NbdExtent(part.Length, Dirty);
            offset = part.End;
        }

        if (offset < end) yield return new NbdExtent(end - offset, 0);
    }
}
