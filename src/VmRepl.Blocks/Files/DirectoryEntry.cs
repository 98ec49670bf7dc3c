namespace VmRepl.Blocks.Files;

/// <summary>What stands under a name in a directory. Nothing is opened or followed to find out.</summary>
/// <param name="Name">A single path component.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Identity">Which file, how long, when changed; all zero where <paramref name="Kind"/> is <see cref="EntryKind.Unknown"/>.</param>
public readonly record struct DirectoryEntry(string Name, EntryKind Kind, FileIdentity Identity);
