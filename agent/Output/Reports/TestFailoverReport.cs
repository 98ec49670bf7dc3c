namespace VmRepl.Agent.Output.Reports;

/// <summary>What <c>vmrepl test-failover</c> prints. Times in ms are since <paramref name="Started"/>.</summary>
/// <param name="Reason">Why it failed; null where it passed.</param>
/// <param name="UpMs">When the guest's processors began to run.</param>
/// <param name="CheckedMs">When the check passed.</param>
/// <param name="EndedMs">When the hypervisor was gone.</param>
/// <param name="Serial">On failure, the end of what the guest wrote to its serial port.</param>
/// <param name="Notes">What was decided, replaced or left out.</param>
public sealed record TestFailoverReport(string Group, ulong Sequence, DateTimeOffset Time, string? Bookmark, bool Passed, string Check, string? Reason, DateTimeOffset Started, long? UpMs, long? CheckedMs, long EndedMs,
    string Accelerator, string QemuVersion, string? Screenshot, string? Serial, IReadOnlyList<string> Notes);
