using System.CommandLine;
using VmRepl.Agent.Output;

namespace VmRepl.Agent.Commands.Image;

internal static class ImageCheckCommand
{
    public static Command Create(CommandContext context)
    {
        var allow = SharedOptions.Allow();
        var source = new ImageArguments("FILE", "The image.", "--source-format", allow);
        var command = new Command("check", "Look for damage in an image's structure. Exit status: 0 clean (space that is merely lost is no damage), 1 damaged.") { allow };
        source.AddTo(command);
        context.SetAction(command, (parse, output, _) =>
        {
            using var image = source.Open(parse, output);
            var findings = image.Check().ToList();
            if (output.IsJson) output.Result.WriteLine(ImageJson.Check(source.Name(parse), image.Format, findings));
            else ImageText.Check(source.Name(parse), findings, output);
            return findings.Exists(f => f.IsDamage) ? ExitCode.Failed : ExitCode.Done;
        });
        return command;
    }
}
