namespace VmRepl.Benchmarks;

/// <summary>One way to do a contest's work.</summary>
/// <param name="Name">As the table has it; the first of a contest is ours.</param>
/// <param name="Command">What is timed, as one would type it.</param>
/// <param name="Run">Does the work once and returns how long it took, what is prepared and removed before and after not counted.</param>
internal sealed record Contestant(string Name, string Command, Func<TimeSpan> Run)
{
    /// <summary>What must be on the path.</summary>
    public IReadOnlyList<string> Needs { get; init; } = [];
}
