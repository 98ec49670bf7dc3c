namespace VmRepl.Nbd.Server;

/// <summary>How a negotiation ended: an export and what was agreed about it.</summary>
/// <param name="Contexts">Those that block status answers, by their id − 1.</param>
internal sealed record ChosenExport(string Name, INbdExport Export, ExportFacts Facts, bool HasStructuredReplies, IReadOnlyList<INbdContext> Contexts);
