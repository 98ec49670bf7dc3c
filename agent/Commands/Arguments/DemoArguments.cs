namespace VmRepl.Agent.Commands.Arguments;

/// <summary><c>vmrepl demo</c>.</summary>
/// <param name="Keep">Full path of the directory to work in and to leave behind; null for a temporary one.</param>
/// <param name="Damage">Whether to flip one byte of the store before the last restore.</param>
public sealed record DemoArguments(string? Keep, bool Damage);
