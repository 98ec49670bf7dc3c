namespace VmRepl.Simulation.Workload;

/// <summary>What the source has, where the replica has less than it acknowledged.</summary>
/// <param name="Contents">Stamps of every sector of every disk.</param>
/// <param name="Metadata">Values by key.</param>
internal sealed record SourceState(ulong[][] Contents, IReadOnlyDictionary<string, byte[]> Metadata);
