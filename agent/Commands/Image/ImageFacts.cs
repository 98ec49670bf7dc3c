using VmRepl.Blocks.Files;
using VmRepl.Images;
using VmRepl.Images.Changes;

namespace VmRepl.Agent.Commands.Image;

/// <summary>What <c>image info</c> knows.</summary>
/// <param name="FileName">As it was given.</param>
/// <param name="VirtualSize">Bytes.</param>
/// <param name="ActualSize">Bytes on the volume, of the image without the files behind it.</param>
/// <param name="Snapshots">States of the disk inside the image.</param>
/// <param name="Tracks">What the format records of changes.</param>
/// <param name="FullBackingFileName">The parent's name, resolved against the image's own directory; null without a parent.</param>
internal sealed record ImageFacts(
    string FileName,
    ImageFormat Format,
    long VirtualSize,
    long ActualSize,
    ImageDescription Description,
    IReadOnlyList<ImageSnapshot> Snapshots,
    IReadOnlyList<IChangeTrack> Tracks,
    string? FullBackingFileName)
{
    /// <summary>Whether the format says that the image was not closed properly.</summary>
    public bool IsDirty => Description.Details.TryGetValue("dirty", out var dirty) && dirty == "true";

    /// <summary>The format's own facts, as qemu-img has them.</summary>
    public IEnumerable<SpecificFact> Specific()
    {
        foreach (var (name, value) in Description.Details)
        {
            if (SpecificFact.Of(name, value) is { } fact) yield return fact;
        }
    }

    public static ImageFacts Of(string fileName, IDiskImage image)
    {
        var description = image.Description;
        // Without a parent every file is the image's own; with one, only the first surely is.
        var own = description.BackingFile is null ? image.Files : image.Files.Take(1);
        var actual = own.Sum(f => HostFileAllocation.Bytes(f.Path));
        var full = description.BackingFile is { } backing ? Path.Combine(Path.GetDirectoryName(fileName) ?? "", backing) : null;
        return new ImageFacts(fileName, image.Format, image.Length, actual, description, image.Snapshots, ChangeTracks.Of(image), full);
    }
}
