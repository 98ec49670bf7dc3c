using VmRepl.Images;

namespace VmRepl.Fuzz.Corpus;

/// <summary>A sound image: the file that is opened first, and those that it leads to.</summary>
/// <param name="Name">For messages.</param>
/// <param name="Format">As it is opened.</param>
/// <param name="Files">The image itself first.</param>
/// <param name="Snapshot">An internal snapshot that may be opened instead; null where it has none.</param>
public sealed record CorpusImage(string Name, ImageFormat Format, IReadOnlyList<CorpusFile> Files, string? Snapshot = null);
