namespace VmRepl.Journal.Index.Files;

/// <summary>A layer with all that a file of it says. It must not change until the merge is done.</summary>
/// <param name="Layer">A file, or a layer in memory that is frozen.</param>
/// <param name="Segments">The segments that it covers wholly or in part, in order, without gaps.</param>
/// <param name="Facts">Its records that are no contents, in order; enumerated once, a little at a time.</param>
internal sealed record MergeSource(IndexLayer Layer, IReadOnlyList<CoveredSegment> Segments, IEnumerable<IndexFact> Facts)
{
    public static MergeSource Of(IndexFile file) => new(file, file.Segments, file.ReadFacts());
}
