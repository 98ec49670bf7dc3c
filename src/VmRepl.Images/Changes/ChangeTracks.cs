namespace VmRepl.Images.Changes;

/// <summary>The records of changes that an image has, whatever its format.</summary>
public static class ChangeTracks
{
    /// <summary>What the format itself keeps, and, for an image with a backing file, the layer that it is.</summary>
    public static IReadOnlyList<IChangeTrack> Of(IDiskImage image) =>
        image.Parent is null ? image.ChangeTracks : [.. image.ChangeTracks, new LayerChanges(image)];

    /// <summary>The bitmap called <paramref name="name"/>.</summary>
    /// <exception cref="ImageFormatException">There is none.</exception>
    public static IChangeTrack Bitmap(IDiskImage image, string name) =>
        image.ChangeTracks.FirstOrDefault(t => t.Kind == ChangeTrackKind.Bitmap && t.Name == name)
        ?? throw ImageFormatException.Mismatch(image.Files[0].Path, -1, "bitmaps", $"some with one called \"{name}\"", "none of that name");

    /// <summary>What the image itself holds over its backing file.</summary>
    /// <exception cref="ImageFormatException">It has none.</exception>
    public static IChangeTrack Layer(IDiskImage image) =>
        image.Parent is not null ? new LayerChanges(image) : throw ImageFormatException.Mismatch(image.Files[0].Path, -1, "layer", "over a backing file", "of an image that has no backing file");
}
