namespace VmRepl.Agent.Commands.Arguments;

/// <summary><c>vmrepl detach</c>.</summary>
/// <param name="At">Null for every point of the group.</param>
/// <param name="Id">0 for all that <paramref name="At"/> means.</param>
/// <param name="Keep">A name; null throws away what was written.</param>
public sealed record DetachArguments(string Group, PointChoice? At, int Id, string? Keep, PointSource Source);
