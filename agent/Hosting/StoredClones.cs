using VmRepl.Agent.Output;
using VmRepl.Clones.Made;
using VmRepl.Journal.Points;
using VmRepl.Replication.Reading;

namespace VmRepl.Agent.Hosting;

/// <summary>Finds a clone by what people call it.</summary>
internal static class StoredClones
{
    /// <summary>The newest whole clone of a group that has this name: of one that was made in step every disk, of one that was dropped the only one.</summary>
    /// <exception cref="CommandFailure">There is none, or not all of its disks are there.</exception>
    public static async Task<IReadOnlyList<StoredClone>> FindAsync(IPastReader reader, string group, string name, CancellationToken cancellation)
    {
        var clones = await reader.ClonesAsync(group, cancellation);
        if (clones.LastOrDefault(c => c.Name == name && c.Point != 0) is { } found)
        {
            if (!found.Base.Contains(MadeClone.HowBegins, StringComparison.Ordinal)) return [found];
            // Those that were made together have one moment of one clock, in microseconds.
            var together = clones.Where(c => c.Name == name && c.Time == found.Time && c.Base.Contains(MadeClone.HowBegins, StringComparison.Ordinal)).DistinctBy(c => c.Disk).ToList();
            if (together.Find(c => c.Point == 0) is { } missing) throw new CommandFailure($"Disk {missing.Disk} of the clone {Printable.Line(name)} of group {group} is not whole at the replica yet.", "vmrepl clones shows how far it is.", group);
            return together;
        }

        if (clones.Any(c => c.Name == name)) throw new CommandFailure($"The clone {Printable.Line(name)} of group {group} is not whole at the replica yet.", "vmrepl clones shows how far it is.", group);
        throw new CommandFailure($"Group {group} has no clone named {Printable.Line(name)} there.",
            clones.Count == 0 ? "It has no clone at all." : $"It has {string.Join(", ", clones.Select(c => c.Name).Distinct().TakeLast(10).Select(Printable.Line))}.", group);
    }

    /// <summary>Opens all disks of a clone as one view.</summary>
    public static async Task<IPastView> OpenAsync(IPastReader reader, IReadOnlyList<StoredClone> disks, CancellationToken cancellation)
    {
        var views = new List<IPastView>();
        try
        {
            foreach (var disk in disks) views.Add(await reader.OpenAsync(disk.Group, PointSelector.Latest, cancellation));
        }
        catch
        {
            foreach (var view in views) await view.DisposeAsync();
            throw;
        }

        return new JoinedPastView(views);
    }
}
