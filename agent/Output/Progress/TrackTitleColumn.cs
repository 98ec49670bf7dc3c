using Spectre.Console;
using Spectre.Console.Rendering;

namespace VmRepl.Agent.Output.Progress;

/// <summary>The title as it is: Spectre's own column would read it as markup.</summary>
internal sealed class TrackTitleColumn(Dictionary<int, ProgressTrack> tracks) : ProgressColumn
{
    protected override bool NoWrap => true;

    public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime)
    {
        lock (tracks) return new Text(tracks.TryGetValue(task.Id, out var track) ? track.Title : "").Overflow(Overflow.Ellipsis);
    }
}
