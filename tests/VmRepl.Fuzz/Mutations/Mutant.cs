using VmRepl.Fuzz.Corpus;
using VmRepl.Fuzz.Storage;

namespace VmRepl.Fuzz.Mutations;

/// <summary>A damaged image.</summary>
/// <param name="Image">What it was made from.</param>
/// <param name="Files">Its files, by name.</param>
/// <param name="IsSealed">Whether checksums were put right after the damage.</param>
/// <param name="Words">What was done to it, one entry for each change.</param>
public sealed record Mutant(CorpusImage Image, IReadOnlyDictionary<string, PagedBytes> Files, bool IsSealed, IReadOnlyList<string> Words);
