namespace VmRepl.Agent.Output.Reports;

/// <summary>What <c>vmrepl attach --list</c> prints.</summary>
public sealed record AttachmentsReport(string Group, IReadOnlyList<AttachReport> Attachments);
