namespace VmRepl.Simulation.Storage;

/// <summary>
/// A simulated directory's names: as they are seen, and as they are durable. A change that was not flushed survives a loss of power or not, each on its own.
/// </summary>
internal sealed class SimulatedNode
{
    private readonly List<Change> unflushed = [];
    private SortedDictionary<string, object> durable = new(StringComparer.Ordinal);

    /// <summary>Names here: a <see cref="SimulatedInode"/> or a <see cref="SimulatedNode"/> each.</summary>
    public SortedDictionary<string, object> Names { get; private set; } = new(StringComparer.Ordinal);

    public void Link(string name, object target) => Do(new Change(null, name, target));

    public void Unlink(string name) => Do(new Change(name, null, Names[name]));

    public void Rename(string from, string to) => Do(new Change(from, to, Names[from]));

    public void Flush()
    {
        durable = new SortedDictionary<string, object>(Names, StringComparer.Ordinal);
        unflushed.Clear();
    }

    public void LosePower(Func<bool> survives)
    {
        foreach (var change in unflushed)
        {
            if (survives()) change.ApplyTo(durable);
        }

        unflushed.Clear();
        Names = new SortedDictionary<string, object>(durable, StringComparer.Ordinal);
        foreach (var target in Names.Values)
        {
            if (target is SimulatedNode node) node.LosePower(survives);
            else ((SimulatedInode)target).LosePower(survives);
        }
    }

    public IEnumerable<SimulatedInode> AllFiles() => Names.Values.SelectMany(t => t is SimulatedNode node ? node.AllFiles() : [(SimulatedInode)t]);

    private void Do(Change change)
    {
        change.ApplyTo(Names);
        unflushed.Add(change);
    }

    private sealed record Change(string? From, string? To, object Target)
    {
        public void ApplyTo(SortedDictionary<string, object> names)
        {
            if (From is not null && names.TryGetValue(From, out var present) && ReferenceEquals(present, Target)) names.Remove(From);
            if (To is not null) names[To] = Target;
        }
    }
}
