using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Operations;

/// <summary>Which host file each layer of a chain keeps its data in, to see when two images read the same range of the same file. A layer of several files has no single one, and says so.</summary>
internal sealed class LayerFiles
{
    private readonly List<FileIdentity?> layers = [];

    public LayerFiles(IBlockDevice device)
    {
        for (var image = device as IDiskImage; image is not null; image = image.Parent)
        {
            var own = image.Files.Count - (image.Parent?.Files.Count ?? 0);
            layers.Add(own == 1 ? image.Files[0].Identity : null);
        }
    }

    /// <summary>Whether the run here and the other image's, of one place in the disk, are stored as the same bytes of the same file.</summary>
    public bool IsSamePlace(MapExtent run, LayerFiles other, MapExtent otherRun) =>
        run.State == BlockState.Data && otherRun.State == BlockState.Data && run.FileOffset >= 0
        && run.FileOffset - run.Offset == otherRun.FileOffset - otherRun.Offset && IsSameFile(run.Depth, other, otherRun.Depth);

    /// <summary>
    /// Whether both are compressed in the same backing file: a chain shows a backing file's active state only, so what it has at one place of the disk is one thing.
    /// The topmost file may have been opened at a snapshot, and is left out.
    /// </summary>
    public bool IsSameCompressed(MapExtent run, LayerFiles other, MapExtent otherRun) =>
        run.State == BlockState.Compressed && otherRun.State == BlockState.Compressed && run.Depth > 0 && otherRun.Depth > 0 && IsSameFile(run.Depth, other, otherRun.Depth);

    private bool IsSameFile(int depth, LayerFiles other, int otherDepth) => Of(depth) is { } mine && other.Of(otherDepth) is { } theirs && mine.IsSameFile(theirs);

    private FileIdentity? Of(int depth) => depth < layers.Count ? layers[depth] : null;
}
