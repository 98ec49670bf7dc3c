using VmRepl.Blocks;

namespace VmRepl.Images;

/// <summary>Shaping of allocation maps.</summary>
internal static class MapRuns
{
    /// <summary>Joins neighbours that are of one state, in one file, and one behind the other there.</summary>
    public static IEnumerable<MapExtent> Coalesce(IEnumerable<MapExtent> runs)
    {
        MapExtent? open = null;
        foreach (var run in runs)
        {
            if (open is not { } last)
            {
                open = run;
            }
            else if (last.State == run.State && last.Depth == run.Depth && run.FileOffset == (last.FileOffset < 0 ? -1 : last.FileOffset + last.Length))
            {
                open = last with { Length = last.Length + run.Length };
            }
            else
            {
                yield return last;
                open = run;
            }
        }

        if (open is { } rest) yield return rest;
    }
}
