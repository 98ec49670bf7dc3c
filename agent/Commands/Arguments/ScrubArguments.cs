namespace VmRepl.Agent.Commands.Arguments;

/// <summary><c>vmrepl scrub</c>.</summary>
/// <param name="Group">Null for every group of a store, one after the other; <paramref name="Source"/> is a store then.</param>
/// <param name="BytesPerSecond">Most bytes read in a second; 0 for no limit.</param>
public sealed record ScrubArguments(string? Group, PointSource Source, long BytesPerSecond);
