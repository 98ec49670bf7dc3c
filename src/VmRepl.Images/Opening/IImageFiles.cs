using VmRepl.Blocks.Files;

namespace VmRepl.Images.Opening;

/// <summary>Where image files come from. Everything that an image makes the process open goes through here, so a test sees what was asked.</summary>
public interface IImageFiles
{
    /// <summary>Opens the regular file at <paramref name="path"/>; devices, pipes and directories are refused.</summary>
    IHostFile Open(string path, HostFileAccess access);
}
