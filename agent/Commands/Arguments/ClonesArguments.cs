namespace VmRepl.Agent.Commands.Arguments;

/// <summary><c>vmrepl clones</c>.</summary>
/// <param name="Group">One group's, or null for all.</param>
/// <param name="Socket">The agent's Unix socket.</param>
public sealed record ClonesArguments(string? Group, string Socket);
