using VmRepl.Blocks;

namespace VmRepl.Agent.Commands.Image;

/// <summary>An image's map as it is shown: neighbours of one kind in one run.</summary>
internal static class ImageMap
{
    /// <summary>Whether a file of the chain says something about the run. A hole of a raw file is there, as zeros; where nothing is allocated, nothing is.</summary>
    public static bool IsPresent(MapExtent extent) => extent.State != BlockState.Unallocated || extent.FileOffset >= 0;

    public static IEnumerable<MapExtent> Coalesce(IEnumerable<MapExtent> map)
    {
        MapExtent? held = null;
        foreach (var extent in map)
        {
            if (held is { } before && Continues(before, extent))
            {
                held = before with { Length = before.Length + extent.Length };
                continue;
            }

            if (held is { } done) yield return done;
            held = extent;
        }

        if (held is { } last) yield return last;
    }

    private static bool Continues(MapExtent before, MapExtent next) =>
        next.State == before.State && next.Depth == before.Depth && next.Offset == before.End
        && (before.FileOffset < 0 ? next.FileOffset < 0 : next.FileOffset == before.FileOffset + before.Length);
}
