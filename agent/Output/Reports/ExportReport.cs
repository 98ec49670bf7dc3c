namespace VmRepl.Agent.Output.Reports;

/// <summary>A disk that is served.</summary>
/// <param name="Uri">As NBD clients take it.</param>
public sealed record ExportReport(string Disk, string Uri);
