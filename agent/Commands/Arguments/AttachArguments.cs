namespace VmRepl.Agent.Commands.Arguments;

/// <summary><c>vmrepl attach</c>.</summary>
/// <param name="Writable">Whether each disk gets a scratch layer.</param>
/// <param name="List">Only show what is attached.</param>
public sealed record AttachArguments(string Group, PointChoice At, bool Writable, bool List, PointSource Source);
