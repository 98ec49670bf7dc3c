using System.CommandLine;
using VmRepl.Agent.Output;
using VmRepl.Images.Changes;

namespace VmRepl.Agent.Commands.Image;

internal static class ImageMapCommand
{
    public static Command Create(CommandContext context)
    {
        var allow = SharedOptions.Allow();
        var source = new ImageArguments("FILE", "The image.", "--source-format", allow);
        var snapshot = ImageArguments.SnapshotOption();
        var bitmap = new Option<string?>("--bitmap") { Description = "Show what changed since this bitmap of a QCOW2 image was made. One that cannot be trusted is refused, with the reason." };
        var layer = new Option<bool>("--layer") { Description = "Show what the image itself holds over its backing file: what changed since it was made." };
        var command = new Command("map", "Show which parts of a disk hold data, and where in which file of the chain; or which parts changed.") { snapshot, bitmap, layer, allow };
        command.Validators.Add(result =>
        {
            if (new Option[] { snapshot, bitmap, layer }.Count(o => result.GetResult(o) is not null) > 1) result.AddError("Only one of --snapshot, --bitmap and --layer can be given.");
        });
        source.AddTo(command);
        context.SetAction(command, (parse, output, _) =>
        {
            using var image = source.Open(parse, output, snapshot: parse.GetValue(snapshot));
            var track = parse.GetValue(bitmap) is { } name ? ChangeTracks.Bitmap(image, name) : parse.GetValue(layer) ? ChangeTracks.Layer(image) : null;
            if (track is not null) return ShowChanges(track, output);
            var map = ImageMap.Coalesce(image.Map(0, image.Length));
            // One buffer for many short lines: the process's own standard output is flushed after each.
            using var lines = new BufferedLines(output.Result);
            if (output.IsJson) ImageJson.Map(map, lines);
            else ImageText.Map(map, lines);
            return ExitCode.Done;
        });
        return command;
    }

    private static int ShowChanges(IChangeTrack track, CommandOutput output)
    {
        if (track.State == ChangeTrackState.Disabled) output.Note($"{track.Name}: is disabled; what was written since it was is not in it.");
        using var lines = new BufferedLines(output.Result);
        if (output.IsJson) ImageJson.Changes(track.Changes(), lines);
        else ImageText.Changes(track.Changes(), lines);
        return ExitCode.Done;
    }
}
