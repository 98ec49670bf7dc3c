using VmRepl.Blocks;

namespace VmRepl.Journal.Index;

/// <summary>Where the contents of a range of a disk at one point come from.</summary>
/// <param name="Range">Bytes of the disk.</param>
/// <param name="Record">The record that holds them, or null for the live image.</param>
internal readonly record struct ContentSource(Extent Range, StoredRecord? Record);
