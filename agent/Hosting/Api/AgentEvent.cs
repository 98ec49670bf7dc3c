using VmRepl.Agent.Output.Reports;

namespace VmRepl.Agent.Hosting.Api;

/// <summary>One line of an answer that takes long: progress any number of times, then exactly one result or one error.</summary>
internal sealed record AgentEvent
{
    public ProgressEvent? Progress { get; init; }

    public ProtectReport? Protected { get; init; }

    public SyncReport? Synced { get; init; }

    public MadeCloneReport? Cloned { get; init; }

    public ErrorEvent? Error { get; init; }

    /// <param name="TotalBytes">What there is to look at.</param>
    /// <param name="Waiting">What it waits for, in one sentence; null while it goes on.</param>
    public sealed record ProgressEvent(long TotalBytes, long DoneBytes, string? Waiting = null);

    /// <param name="IsRefusal">Refused because it would have been unsafe.</param>
    public sealed record ErrorEvent(string Message, string? Hint, string? Group, bool IsRefusal);
}
