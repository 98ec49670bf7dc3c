namespace VmRepl.Simulation.Workload;

/// <summary>Something that must hold does not.</summary>
public sealed class SimulationFailureException(string message) : Exception(message);
