using VmRepl.Agent.Output;
using VmRepl.Images;

namespace VmRepl.Agent.Commands.Image;

/// <summary>An image that is there when it is whole, and not at all otherwise.</summary>
internal static class NewImage
{
    /// <exception cref="CommandFailure">Something has that name, be it a dangling link.</exception>
    public static void RefuseExisting(string path)
    {
        if (Path.Exists(path) || new FileInfo(path).LinkTarget is not null)
            throw CommandFailure.Refused($"{path}: exists already.", "Nothing is ever overwritten: remove it first, or choose another name.");
    }

    /// <summary>Makes the image's file; with a backing file in the options, a null <paramref name="size"/> is the backing file's.</summary>
    /// <exception cref="CommandFailure">The format cannot say that size.</exception>
    public static IDiskImage Create(string path, ImageFormat format, long? size, ImageCreateOptions options)
    {
        try
        {
            return options.Backing is null ? DiskImages.Create(path, format, size!.Value, options) : DiskImages.CreateOverlay(path, format, options, size);
        }
        catch (ArgumentException e)
        {
            throw Unsayable(path, e);
        }
    }

    /// <summary>A size that a format cannot say, in words for the terminal.</summary>
    public static CommandFailure Unsayable(string path, ArgumentException e) => new($"{path}: {e.Message.Split(" (Parameter")[0]}.", "Choose another size, or another format.", cause: e);

    /// <summary>Makes the image and fills it; removes what there is of it if that fails or is stopped.</summary>
    /// <param name="create">Makes the file; it fails if the name has come into being meanwhile, and that file is then left alone.</param>
    public static void Write(string path, Func<IDiskImage> create, Action<IDiskImage> fill)
    {
        RefuseExisting(path);
        var made = false;
        try
        {
            using var image = create();
            made = true;
            // Closing writes what is left of the metadata, and may fail as any write may.
            fill(image);
        }
        catch (Exception e)
        {
            // A file that came into being since the look above is somebody else's.
            if (made || !FailureReading.MeansExists(e)) Remove(path);
            throw;
        }
    }

    private static void Remove(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What made the command fail is the better thing to say, and where nothing could be made there is nothing to remove.
        }
    }
}
