using VmRepl.Blocks;

namespace VmRepl.Images.Changes;

/// <summary>A tracking file beside the disk whose layout is not public. It is named, never opened, and nothing is concluded from it.</summary>
/// <param name="path">The disk that names it, for errors.</param>
/// <param name="name">As the disk names it.</param>
internal sealed class TrackingFile(string path, string name) : IChangeTrack
{
    public string Name => name;

    public ChangeTrackKind Kind => ChangeTrackKind.File;

    public ChangeTrackState State => ChangeTrackState.NotInterpreted;

    public string? Problem => "tracking is present, and its file has no public layout";

    public long? Granularity => null;

    public IEnumerable<Extent> Changes() => throw ImageFormatException.Mismatch(path, -1, $"change tracking in \"{name}\"", "such that tells what changed", $"such that does not: {Problem}");
}
