namespace VmRepl.Agent.Commands.Arguments;

/// <summary><c>vmrepl clone</c>.</summary>
/// <param name="Name">What the clone is to be called.</param>
/// <param name="Socket">The agent's Unix socket.</param>
public sealed record CloneArguments(string Group, string Name, string Socket);
