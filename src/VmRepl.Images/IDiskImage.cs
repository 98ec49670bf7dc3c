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

    /// <summary>What is behind an overlay, as this image opened it; null where the image stands alone. The image owns it.</summary>
    IDiskImage? Parent => null;

    /// <summary>Whether something of what was written may be in memory only, to be lost with the process unless <see cref="IBlockDevice.Flush"/> writes it: tables, mostly. True where an image cannot tell. Exact for what the asking thread has written.</summary>
    bool HasUnwritten => !IsReadOnly;

    /// <summary>
    /// Changes the disk's size, durably; a crash leaves the old size or the new. What is added reads as zeros. What is cut must read as zeros already:
    /// <see cref="Operations.ImageResizer"/> sees to that. Nobody else may use the image meanwhile.
    /// </summary>
    /// <param name="length">Bytes, a multiple of the sector.</param>
    /// <exception cref="NotSupportedException">The image is read-only, or one of its kind cannot get this size.</exception>
    void Resize(long length) => throw new NotSupportedException($"{Files[0].Path}: an image of this kind cannot be resized");

    /// <summary>Looks at the structure beyond what opening does: references, overlaps, leaks. Reads metadata only.</summary>
    IEnumerable<ImageFinding> Check();
}
