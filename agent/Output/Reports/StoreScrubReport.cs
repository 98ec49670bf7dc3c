namespace VmRepl.Agent.Output.Reports;

/// <summary>What <c>vmrepl scrub --store DIR</c> prints.</summary>
/// <param name="Groups">Those that were scrubbed, by name.</param>
/// <param name="Failures">One for each group that could not be scrubbed for another reason than damage.</param>
public sealed record StoreScrubReport(IReadOnlyList<ScrubResultReport> Groups, IReadOnlyList<FailureDescription> Failures);
