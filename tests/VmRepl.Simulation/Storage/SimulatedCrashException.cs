namespace VmRepl.Simulation.Storage;

/// <summary>The simulated machine is down. No <see cref="IOException"/>: nothing in the product may take it for an error that it can handle.</summary>
public sealed class SimulatedCrashException() : Exception("the simulated machine is down");
