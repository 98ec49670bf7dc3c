using System.CommandLine;
using VmRepl.Agent.Output;

namespace VmRepl.Agent.Commands.Image;

internal static class ImageMapCommand
{
    public static Command Create(CommandContext context)
    {
        var allow = SharedOptions.Allow();
        var source = new ImageArguments("FILE", "The image.", "--source-format", allow);
        var command = new Command("map", "Show which parts of a disk hold data, and where in which file of the chain.") { allow };
        source.AddTo(command);
        context.SetAction(command, (parse, output, _) =>
        {
            using var image = source.Open(parse, output);
            var map = ImageMap.Coalesce(image.Map(0, image.Length));
            // One buffer for many short lines: the process's own standard output is flushed after each.
            using var lines = new BufferedLines(output.Result);
            if (output.IsJson) ImageJson.Map(map, lines);
            else ImageText.Map(map, lines);
            return ExitCode.Done;
        });
        return command;
    }
}
