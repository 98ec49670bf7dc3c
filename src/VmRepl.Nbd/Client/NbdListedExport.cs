namespace VmRepl.Nbd.Client;

/// <summary>An export that a server tells of.</summary>
/// <param name="Description">For people; may be empty.</param>
public sealed record NbdListedExport(string Name, string Description);
