using VmRepl.Blocks;

namespace VmRepl.Images.Changes;

/// <summary>
/// What a differencing image holds itself, over the chain behind it: data, compressed data, zeros. That its parent is the one it was made on is the reader's business at opening,
/// where the format can tell. What the disk is longer than its parent and has not stored reads as zeros in both and is not listed.
/// </summary>
internal sealed class LayerChanges(IDiskImage image) : IChangeTrack
{
    public string Name => image.Description.BackingFile ?? "";

    public ChangeTrackKind Kind => ChangeTrackKind.Layer;

    public ChangeTrackState State => IsCorrupt ? ChangeTrackState.Inconsistent : ChangeTrackState.Recording;

    public string? Problem => IsCorrupt ? "the image is marked as corrupt" : null;

    public long? Granularity => image.Description.ClusterSize;

    private bool IsCorrupt => image.Description.Details.TryGetValue("corrupt", out var corrupt) && corrupt == "true";

    public IEnumerable<Extent> Changes()
    {
        if (Problem is { } problem) throw ImageFormatException.Mismatch(image.Files[0].Path, -1, "layer", "one that tells what changed", $"one that does not: {problem}");
        return Runs();
    }

    private IEnumerable<Extent> Runs()
    {
        Extent? open = null;
        foreach (var run in image.Map(0, image.Length))
        {
            if (run.Depth > 0 || run.State == BlockState.Unallocated) continue;
            if (open is { } last && last.End == run.Offset)
            {
                open = Extent.FromEnds(last.Offset, run.End);
                continue;
            }

            if (open is { } done) yield return done;
            open = run.Extent;
        }

        if (open is { } rest) yield return rest;
    }
}
