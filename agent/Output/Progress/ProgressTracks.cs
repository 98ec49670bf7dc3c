namespace VmRepl.Agent.Output.Progress;

/// <summary>The lines of a running group, in the order they were added.</summary>
internal sealed class ProgressTracks(TimeProvider time) : IProgressGroup
{
    private readonly Lock gate = new();
    private ProgressTrack[] tracks = [];

    public IProgress<long> Add(string title, long totalBytes)
    {
        var track = new ProgressTrack(title, totalBytes, time);
        lock (gate) tracks = [.. tracks, track];
        return track;
    }

    public IReadOnlyList<ProgressTrack> Snapshot()
    {
        lock (gate) return tracks;
    }
}
