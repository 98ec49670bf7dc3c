using VmRepl.Blocks.Files;

namespace VmRepl.Images.Opening;

/// <summary>
/// Where image files come from, and what names mean there. Everything that an image makes the process open or look at goes through here, so a test sees what was asked, and may have a directory of its own.
/// </summary>
public interface IImageFiles
{
    /// <summary>Opens the regular file at <paramref name="path"/>; devices, pipes and directories are refused.</summary>
    IHostFile Open(string path, HostFileAccess access);

    /// <summary>Opens the block device at <paramref name="path"/>, read-only, as the file given; null where there is none. Nothing that an image names is opened so.</summary>
    IHostFile? OpenDevice(string path) => null;

    /// <summary>Where the symbolic link at the full <paramref name="path"/> leads, as it is written there; null where there is none. The host's, unless said otherwise.</summary>
    string? FindLinkTarget(string path) => new FileInfo(path).LinkTarget;

    /// <summary>Whether something other than a regular file stands at the full <paramref name="path"/>, links followed: a directory, a device, a pipe. Nothing is opened to find out. The host's, unless said otherwise.</summary>
    bool IsIrregular(string path) => (File.Exists(path) || Directory.Exists(path)) && !HostFileType.IsRegular(path);
}
