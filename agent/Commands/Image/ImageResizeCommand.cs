using System.CommandLine;
using VmRepl.Agent.Output;
using VmRepl.Agent.Output.Reports;
using VmRepl.Images;
using VmRepl.Images.Operations;

namespace VmRepl.Agent.Commands.Image;

internal static class ImageResizeCommand
{
    public static Command Create(CommandContext context)
    {
        var allow = SharedOptions.Allow();
        var file = new ImageArguments("FILE", "The image to resize. Nothing else may have it open.", "--source-format", allow);
        var size = QuantityOptions.Size("--size", "The size that the disk gets.");
        size.Required = true;
        var shrink = new Option<bool>("--shrink") { Description = "The disk may become shorter. Even then it does not where what is cut off holds anything but zeros." };
        var command = new Command("resize", "Give a disk another size, in its file. What is added reads as zeros; a crash leaves the old size or the new one.") { size, shrink, allow };
        file.AddTo(command);
        context.SetAction(command, (parse, output, cancellation) =>
        {
            using var image = file.Open(parse, output, isWritable: true);
            var before = image.Length;
            RequireUnused(image);
            try
            {
                ImageResizer.Resize(image, parse.GetValue(size)!.Value, parse.GetValue(shrink), cancellation);
            }
            catch (ArgumentException e)
            {
                throw NewImage.Unsayable(file.Name(parse), e);
            }

            output.Report(
                new ResizeReport(file.Name(parse), image.Format.Name(), before, image.Length),
                json => json.ResizeReport,
                r => output.Line($"{r.File}: {Quantities.Size(r.SizeBefore)} before, {Quantities.Size(r.Size)} now."));
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>QEMU locks bytes from 100 on in every image that it has open; it would write over what is changed here, and the other way round.</summary>
    private static void RequireUnused(IDiskImage image)
    {
        const int first = 100, count = 102;
        for (var at = first; at < first + count; at++)
        {
            if (image.Files[0].IsLockedByOther(at)) throw CommandFailure.Refused($"{image.Files[0].Path}: another process has the image open.", "Shut it down, or wait until it is done.");
        }
    }
}
