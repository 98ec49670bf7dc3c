namespace VmRepl.Agent.Output.Reports;

/// <summary>What <c>vmrepl detach</c> prints.</summary>
/// <param name="Detached">How many attachments were ended.</param>
/// <param name="Directory">Where the kept images are, at the replica; null where nothing was kept.</param>
public sealed record DetachReport(string Group, int Detached, string? Directory);
