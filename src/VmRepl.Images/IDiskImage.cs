using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Images.Changes;

namespace VmRepl.Images;

/// <summary>An open disk image with its chain.</summary>
public interface IDiskImage : IBlockDevice
{
    ImageFormat Format { get; }

    ImageDescription Description { get; }

    /// <summary>Every file that the contents come from: the image itself first, then extents and the chain, each once. The image owns them.</summary>
    IReadOnlyList<IHostFile> Files { get; }

    /// <summary>States of the disk that the image keeps inside itself; opened by <see cref="Opening.ImageOpenOptions.Snapshot"/>.</summary>
    /// <exception cref="ImageFormatException">Their table is damaged.</exception>
    IReadOnlyList<ImageSnapshot> Snapshots => [];

    /// <summary>What the format itself records of changes, as it stands now. <see cref="Changes.ChangeTracks.Of"/> has the layer of a differencing image too.</summary>
    IReadOnlyList<IChangeTrack> ChangeTracks => [];

    /// <summary>Looks at the structure beyond what opening does: references, overlaps, leaks. Reads metadata only.</summary>
    IEnumerable<ImageFinding> Check();
}
