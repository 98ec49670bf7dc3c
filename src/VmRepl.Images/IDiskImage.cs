using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images;

/// <summary>An open disk image with its chain.</summary>
public interface IDiskImage : IBlockDevice
{
    ImageFormat Format { get; }

    ImageDescription Description { get; }

    /// <summary>Every file that the contents come from: the image itself first, then extents and the chain, each once. The image owns them.</summary>
    IReadOnlyList<IHostFile> Files { get; }

    /// <summary>Looks at the structure beyond what opening does: references, overlaps, leaks. Reads metadata only.</summary>
    IEnumerable<ImageFinding> Check();
}
