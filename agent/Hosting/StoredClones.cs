using VmRepl.Agent.Output;
using VmRepl.Replication.Reading;

namespace VmRepl.Agent.Hosting;

/// <summary>Finds a clone by what people call it.</summary>
internal static class StoredClones
{
    /// <summary>The newest whole clone of a group that has this name.</summary>
    /// <exception cref="CommandFailure">There is none.</exception>
    public static async Task<StoredClone> FindAsync(IPastReader reader, string group, string name, CancellationToken cancellation)
    {
        var clones = await reader.ClonesAsync(group, cancellation);
        if (clones.LastOrDefault(c => c.Name == name && c.Point != 0) is { } found) return found;
        if (clones.Any(c => c.Name == name)) throw new CommandFailure($"The clone {Printable.Line(name)} of group {group} is not whole at the replica yet.", "vmrepl clones shows how far it is.", group);
        throw new CommandFailure($"Group {group} has no clone named {Printable.Line(name)} there.",
            clones.Count == 0 ? "It has no clone at all." : $"It has {string.Join(", ", clones.Select(c => c.Name).Distinct().TakeLast(10).Select(Printable.Line))}.", group);
    }
}
