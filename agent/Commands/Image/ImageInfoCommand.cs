using System.CommandLine;
using VmRepl.Agent.Output;

namespace VmRepl.Agent.Commands.Image;

internal static class ImageInfoCommand
{
    public static Command Create(CommandContext context)
    {
        var allow = SharedOptions.Allow();
        var source = new ImageArguments("FILE", "The image.", "--source-format", allow);
        var command = new Command("info", "Show an image's format, size and properties.") { allow };
        source.AddTo(command);
        context.SetAction(command, (parse, output, _) =>
        {
            using var image = source.Open(parse, output);
            var facts = ImageFacts.Of(source.Name(parse), image);
            if (output.IsJson) output.Result.WriteLine(ImageJson.Info(facts));
            else ImageText.Info(facts, output);
            return ExitCode.Done;
        });
        return command;
    }
}
