namespace VmRepl.Agent.Commands.Arguments;

/// <summary><c>vmrepl rewind</c>.</summary>
/// <param name="To">The point to take the live images to.</param>
/// <param name="Source">Where the group is; a store that no replica has is opened for writing.</param>
public sealed record RewindArguments(string Group, PointChoice To, PointSource Source);
