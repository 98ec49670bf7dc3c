namespace VmRepl.Agent.Commands.Arguments;

/// <summary><c>vmrepl points</c>.</summary>
public sealed record PointsArguments(string Group, PointSource Source);
