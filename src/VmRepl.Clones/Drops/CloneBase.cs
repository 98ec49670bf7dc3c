namespace VmRepl.Clones.Drops;

/// <summary>What a clone is a clone of.</summary>
/// <param name="Owner">The protected group.</param>
/// <param name="Disk">Its disk.</param>
/// <param name="Seed">What of the replica's the clone begins from.</param>
/// <param name="How">How that was found out, for people.</param>
/// <param name="Called">The file's name when it was found out: what the replica calls the clone, whatever becomes of the file.</param>
public sealed record CloneBase(string Owner, string Disk, string Seed, string How, string Called);
