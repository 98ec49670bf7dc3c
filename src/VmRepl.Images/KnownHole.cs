using VmRepl.Blocks.Files;

namespace VmRepl.Images;

/// <summary>
/// Tells tables that are holes of a file that is only read: zeros, of which a small file can have any number, and which nobody needs to load. The run that was asked for last is remembered. Safe for concurrent use.
/// </summary>
/// <param name="file">Not owned.</param>
internal sealed class KnownHole(IHostFile file)
{
    private readonly Lock gate = new();
    private FileRun known;

    /// <summary>Whether all of the range is one hole.</summary>
    public bool Contains(long offset, long length) => EndAt(offset) - offset >= length;

    /// <summary>Where the hole ends that <paramref name="offset"/> lies in; the same offset where it lies in none.</summary>
    public long EndAt(long offset)
    {
        if (!file.IsReadOnly || offset < 0) return offset;
        lock (gate)
        {
            if (offset < known.Offset || offset >= known.End) known = file.Map(offset, long.MaxValue - offset).FirstOrDefault();
            return known.IsHole ? Math.Max(offset, known.End) : offset;
        }
    }
}
