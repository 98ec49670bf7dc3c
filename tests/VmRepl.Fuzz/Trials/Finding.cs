namespace VmRepl.Fuzz.Trials;

/// <summary>What a mutant must not be able to do to its reader, and did.</summary>
/// <param name="Step">What was being done.</param>
/// <param name="Problem">In one sentence.</param>
/// <param name="Stack">Where; empty where there is no one place.</param>
public sealed record Finding(string Step, string Problem, string Stack);
