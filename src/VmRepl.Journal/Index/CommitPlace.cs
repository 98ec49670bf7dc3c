namespace VmRepl.Journal.Index;

/// <summary>A commit's place in the journal's order. <paramref name="Commit"/> may equal the number of commits of the segment: the place behind the last.</summary>
/// <param name="Serial">Of the segment, from 1.</param>
/// <param name="Commit">Index of the commit in its segment, from 0.</param>
internal readonly record struct CommitPlace(ulong Serial, uint Commit) : IComparable<CommitPlace>
{
    public int CompareTo(CommitPlace other) => Serial != other.Serial ? Serial.CompareTo(other.Serial) : Commit.CompareTo(other.Commit);

    public static bool operator <(CommitPlace a, CommitPlace b) => a.CompareTo(b) < 0;

    public static bool operator >(CommitPlace a, CommitPlace b) => a.CompareTo(b) > 0;

    public static bool operator <=(CommitPlace a, CommitPlace b) => a.CompareTo(b) <= 0;

    public static bool operator >=(CommitPlace a, CommitPlace b) => a.CompareTo(b) >= 0;
}
