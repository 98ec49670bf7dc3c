using System.CommandLine;
using VmRepl.Agent.Output;
using VmRepl.Agent.Output.Reports;
using VmRepl.Images;
using VmRepl.Images.Operations;

namespace VmRepl.Agent.Commands.Image;

internal static class ImageConvertCommand
{
    public static Command Create(CommandContext context)
    {
        var allow = SharedOptions.Allow();
        var source = new ImageArguments("SOURCE", "The image to read.", "--source-format", allow);
        var target = new Argument<string>("TARGET") { Description = "The image to make. It must not exist." };
        target.Validators.Add(result =>
        {
            if (result.Tokens.Any(t => t.Value.Length == 0)) result.AddError("TARGET is empty.");
        });
        var format = new FormatOption("--format", "Format of TARGET. VHDX and VHD are dynamic, VMDK is monolithicSparse.", required: true);
        var flush = new Option<bool>("--flush") { Description = "Return only when TARGET is on stable storage." };
        var command = new Command("convert", "Copy a disk into a new, thin image. Holes are not read and zeros are not written; a chain becomes one file.") { format, flush, allow };
        source.AddTo(command);
        command.Arguments.Add(target);
        context.SetAction(command, (parse, output, cancellation) =>
        {
            var path = parse.GetValue(target)!;
            NewImage.RefuseExisting(path);
            return Convert(source.Open(parse, output), path, format.Get(parse)!.Value, parse.GetValue(flush), output, cancellation);
        });
        return command;
    }

    private static int Convert(IDiskImage source, string path, ImageFormat format, bool flush, CommandOutput output, CancellationToken cancellation)
    {
        using (source)
        {
            ConvertResult moved = default;
            output.Progress.Run($"Converting to {format.Name()}", source.Length, progress => NewImage.Write(
                path,
                () => DiskImages.Create(path, format, source.Length, Options(source, format)),
                target => moved = ImageConverter.Convert(source, target, new ConvertOptions { Flush = flush, Progress = progress }, cancellation)));
            output.Report(
                new ConvertReport(path, format.Name(), source.Length, moved.BytesRead, moved.BytesWritten),
                json => json.ConvertReport,
                r => output.Line($"{r.File}: {Quantities.Size(r.Size)}, {Quantities.Size(r.BytesRead)} read, {Quantities.Size(r.BytesWritten)} written."));
            return ExitCode.Done;
        }
    }

    /// <summary>Only VHDX can say that sectors have 4096 bytes; the contents are the same in every format.</summary>
    private static ImageCreateOptions Options(IDiskImage source, ImageFormat format) =>
        format == ImageFormat.Vhdx ? new ImageCreateOptions { SectorSize = source.SectorSize } : new ImageCreateOptions();
}
