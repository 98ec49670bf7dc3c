using Spectre.Console;
using Spectre.Console.Rendering;

namespace VmRepl.Agent.Output.Progress;

/// <summary>Amount, rate and time left.</summary>
internal sealed class TrackMeterColumn(Dictionary<int, ProgressTrack> tracks) : ProgressColumn
{
    protected override bool NoWrap => true;

    public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime)
    {
        lock (tracks) return new Text(tracks.TryGetValue(task.Id, out var track) ? track.Describe() : "");
    }
}
