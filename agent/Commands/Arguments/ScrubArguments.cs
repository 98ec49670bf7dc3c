namespace VmRepl.Agent.Commands.Arguments;

/// <summary><c>vmrepl scrub</c>.</summary>
public sealed record ScrubArguments(string Group, PointSource Source);
