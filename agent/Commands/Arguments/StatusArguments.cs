namespace VmRepl.Agent.Commands.Arguments;

/// <summary><c>vmrepl status</c>.</summary>
/// <param name="Group">One group, or null for all.</param>
/// <param name="Socket">The agent's Unix socket.</param>
public sealed record StatusArguments(string? Group, string Socket);
