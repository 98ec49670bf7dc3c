using VmRepl.Blocks;
using VmRepl.Journal.Points;
using VmRepl.Journal.Store;

namespace VmRepl.Replication.Reading;

/// <summary>Several groups of one disk each as one: the disks of a clone that was made of them together.</summary>
/// <param name="views">At least one; the disks' names differ. Owned.</param>
public sealed class JoinedPastView(IReadOnlyList<IPastView> views) : IPastView
{
    /// <summary>The first one's: each is the only point of its group.</summary>
    public RecoveryPoint Point => views[0].Point;

    public IReadOnlyList<DiskDescription> Disks { get; } = [.. views.SelectMany(v => v.Disks)];

    /// <summary>Clones have none.</summary>
    public IReadOnlyDictionary<string, byte[]> Metadata { get; } = new Dictionary<string, byte[]>();

    public IBlockDevice Open(DiskDescription disk) => views.First(v => v.Disks.Contains(disk)).Open(disk);

    public async ValueTask DisposeAsync()
    {
        foreach (var view in views) await view.DisposeAsync();
    }
}
