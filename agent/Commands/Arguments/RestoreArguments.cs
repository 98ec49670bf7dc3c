using VmRepl.Images;

namespace VmRepl.Agent.Commands.Arguments;

/// <summary><c>vmrepl restore-vm</c>.</summary>
/// <param name="To">Full path of the directory to make.</param>
/// <param name="Format">Of every disk; null for each source's own.</param>
/// <param name="Plan">Whether to say what would be done, and do nothing.</param>
public sealed record RestoreArguments(string Group, string To, PointChoice At, ImageFormat? Format, PointSource Source, bool Plan)
{
    /// <summary>The clone of the group to restore in its place, by what people call it; null for the group itself.</summary>
    public string? CloneName { get; init; }
}
