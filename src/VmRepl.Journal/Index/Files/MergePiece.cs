namespace VmRepl.Journal.Index.Files;

/// <summary>Sectors that have one history in all of the merged layers: parts of it from the oldest layer on, and the newest undo.</summary>
/// <param name="Start">First byte on the disk.</param>
/// <param name="End">Byte behind the last.</param>
/// <param name="Parts">Not empty ones only.</param>
/// <param name="Undo">The newest that is not void, or null.</param>
internal sealed record MergePiece(long Start, long End, List<MergePart> Parts, RecordRef? Undo)
{
    // Beyond these, two long histories that come from different runs and yet are the same stay two runs, which is as right and costs space only.
    private const int VersionsCompared = 64;

    public bool IsEmpty => Parts.Count == 0 && Undo is null;

    private long Versions => Parts.Sum(p => (long)p.Versions);

    /// <summary>Whether <paramref name="next"/> goes on where this ends, with the same history.</summary>
    public bool IsContinuedBy(MergePiece next)
    {
        if (End != next.Start || Undo != next.Undo) return false;
        if (Parts.Count == next.Parts.Count && Parts.Zip(next.Parts).All(p => p.First.IsSameHistory(p.Second))) return true;
        var versions = Versions;
        if (versions != next.Versions || versions is 0 or > VersionsCompared) return versions == 0 && next.Versions == 0;
        if (Parts[0].Oldest != next.Parts[0].Oldest || Parts[^1].Run.Newest != next.Parts[^1].Run.Newest) return false;
        // Of two versions and fewer, that was all of them. A sequence has one record.
        return versions <= 2 || Numbers().SequenceEqual(next.Numbers());
    }

    private IEnumerable<ulong> Numbers()
    {
        foreach (var part in Parts)
        {
            for (var i = 0; i < part.Versions; i++) yield return part.Version(i).Number;
        }
    }
}
