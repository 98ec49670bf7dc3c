using VmRepl.Blocks.Files;

namespace VmRepl.Journal.Index.Files;

/// <summary>The index files of a group that are used, and those that are not.</summary>
internal sealed class IndexFileSet
{
    private readonly List<IndexFile> files = [];
    private readonly Dictionary<string, string> unused = [];

    private IndexFileSet()
    {
    }

    /// <summary>They lie one behind the other and cover the journal from its first segment on. The caller disposes of them.</summary>
    public IReadOnlyList<IndexFile> Files => files;

    /// <summary>Names of files that are of no use, unfinished ones with them, and why: to be removed by whoever may write the store.</summary>
    public IReadOnlyDictionary<string, string> Unused => unused;

    /// <summary>Where the last file ends; what comes from there on is read from the records.</summary>
    public CommitPlace End { get; private set; }

    /// <summary>Chooses by name, the widest first; a file that does not verify or fit is left out, and the next one tried.</summary>
    /// <param name="directory">The group's journal.</param>
    /// <param name="firstSerial">Of the oldest segment that is there.</param>
    /// <param name="whyNot">Compares a segment as a file has it with the real one: why they are not the same, or null.</param>
    /// <param name="cache">The store's.</param>
    public static IndexFileSet Choose(IHostDirectory directory, ulong firstSerial, Func<CoveredSegment, string?> whyNot, IndexPageCache cache)
    {
        var set = new IndexFileSet { End = new CommitPlace(firstSerial, 0) };
        var candidates = new List<(string Name, CommitPlace First, CommitPlace End)>();
        foreach (var name in directory.ListFiles())
        {
            if (IndexFileName.IsSpare(name)) set.unused[name] = "it was not finished";
            else if (IndexFileName.TryParse(name, out var first, out var end)) candidates.Add((name, first, end));
        }

        try
        {
            while (candidates.Where(c => set.MayBeNext(c.First, c.End)).OrderBy(c => set.IsInNextSegment(c.First)).ThenByDescending(c => c.End).Select(c => c.Name).FirstOrDefault() is { } next)
            {
                candidates.RemoveAll(c => c.Name == next);
                set.Try(directory, next, whyNot, cache);
            }
        }
        catch
        {
            foreach (var file in set.files) file.Dispose();
            throw;
        }

        foreach (var (name, _, end) in candidates)
            set.unused[name] = end.CompareTo(new CommitPlace(firstSerial, 0)) <= 0 ? "what it covers was retired" : "wider ones cover the same, or nothing covers what comes before it";
        return set;
    }

    private bool MayBeNext(CommitPlace first, CommitPlace end) => end > End && (files.Count == 0 ? first <= End : first.Follows(End));

    /// <summary>Such a file follows only where nothing is left of the segment before, which its own header tells; one that begins at the very place goes first.</summary>
    private bool IsInNextSegment(CommitPlace first) => files.Count > 0 && first != End;

    private void Try(IHostDirectory directory, string name, Func<CoveredSegment, string?> whyNot, IndexPageCache cache)
    {
        try
        {
            var file = IndexFile.Open(directory, name, cache);
            if (WhyNot(file, whyNot) is { } problem)
            {
                file.Dispose();
                unused[name] = problem;
                return;
            }

            files.Add(file);
            End = file.End;
        }
        catch (Exception e) when (e is JournalDamagedException or IOException)
        {
            // Only a copy of what the records say.
            unused[name] = e.Message;
        }
    }

    private string? WhyNot(IndexFile file, Func<CoveredSegment, string?> whyNot)
    {
        // A layer's last place may be the first of a segment that it does not touch.
        var last = file.End.Commit > 0 ? file.End.Serial : file.End.Serial - 1;
        if (file.Segments.Count == 0 || file.Segments[^1].Serial != last || (file.End.Commit > 0 && file.Segments[^1].Commits != file.End.Commit))
            return $"it ends at {file.End}, and its segments do not";
        var first = Math.Max(file.First.Serial, End.Serial);
        if (file.Segments[0].Serial > first) return $"it leaves out segment {first}";
        if (files.Count > 0 && file.First.Commit == 0 && file.Segments[0].Header.Previous != files[^1].Segments[^1].LastChecksum) return "it does not go on where the file before it ends";
        return file.Segments.Where(s => s.Serial >= End.Serial).Select(whyNot).FirstOrDefault(w => w is not null);
    }
}
