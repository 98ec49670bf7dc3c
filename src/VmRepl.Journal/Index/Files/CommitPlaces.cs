namespace VmRepl.Journal.Index.Files;

internal static class CommitPlaces
{
    /// <summary>Whether a layer that begins here may lie behind one that ends at <paramref name="end"/>: the place is the same, or that of the next segment's first commit.</summary>
    public static bool Follows(this CommitPlace first, CommitPlace end) => first == end || (first.Serial == end.Serial + 1 && first.Commit == 0 && end.Commit > 0);
}
