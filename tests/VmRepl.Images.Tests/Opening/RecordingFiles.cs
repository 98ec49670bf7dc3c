using VmRepl.Blocks.Files;
using VmRepl.Images.Opening;

namespace VmRepl.Images.Tests.Opening;

/// <summary>The host's files, with a note of what was asked for.</summary>
internal sealed class RecordingFiles : IImageFiles
{
    public List<string> Opened { get; } = [];

    public IHostFile Open(string path, HostFileAccess access)
    {
        Opened.Add(path);
        return HostImageFiles.Instance.Open(path, access);
    }
}
