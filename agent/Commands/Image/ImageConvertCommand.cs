using System.CommandLine;
using VmRepl.Agent.Output;
using VmRepl.Agent.Output.Reports;
using VmRepl.Images;

namespace VmRepl.Agent.Commands.Image;

internal static class ImageConvertCommand
{
    public static Command Create(CommandContext context)
    {
        var copy = new CopyArguments("SOURCE", "The image to read.");
        var command = new Command("convert", "Copy a disk into a new, thin image. Holes are not read and zeros are not written; a chain becomes one file.");
        var snapshot = ImageArguments.SnapshotOption();
        copy.AddTo(command);
        command.Options.Add(snapshot);
        context.SetAction(command, (parse, output, cancellation) =>
        {
            copy.RefuseTarget(parse);
            using var source = copy.Open(parse, output, parse.GetValue(snapshot));
            var moved = copy.Copy(source, "Converting", parse, output, cancellation);
            output.Report(
                new ConvertReport(copy.Target(parse), copy.Format(parse).Name(), source.Length, moved.BytesRead, moved.BytesWritten),
                json => json.ConvertReport,
                r => output.Line($"{r.File}: {Quantities.Size(r.Size)}, {Quantities.Size(r.BytesRead)} read, {Quantities.Size(r.BytesWritten)} written."));
            return ExitCode.Done;
        });
        return command;
    }
}
