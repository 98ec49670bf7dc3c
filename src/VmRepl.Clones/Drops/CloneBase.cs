namespace VmRepl.Clones.Drops;

/// <summary>What a clone is a clone of.</summary>
/// <param name="Owner">The protected group.</param>
/// <param name="Disk">Its disk.</param>
/// <param name="Seed">What of the replica's the clone begins from.</param>
/// <param name="How">How that was found out, for people.</param>
public sealed record CloneBase(string Owner, string Disk, string Seed, string How);
