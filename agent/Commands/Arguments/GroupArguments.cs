namespace VmRepl.Agent.Commands.Arguments;

/// <summary><c>vmrepl sync</c> and <c>vmrepl unprotect</c>.</summary>
/// <param name="Socket">The agent's Unix socket.</param>
public sealed record GroupArguments(string Group, string Socket);
