using System.CommandLine;
using VmRepl.Agent.Output;
using VmRepl.Agent.Output.Reports;
using VmRepl.Images;

namespace VmRepl.Agent.Commands.Image;

internal static class ImageCreateCommand
{
    public static Command Create(CommandContext context)
    {
        var file = new ImageFileArgument("FILE", "The image to make. It must not exist.");
        var format = new FormatOption("--format", "Format of FILE. VHDX and VHD are dynamic, VMDK is monolithicSparse.", required: true);
        var size = QuantityOptions.Size("--size", "Size of the disk. Without it, an overlay is as long as its backing file.");
        var backing = new BackingOptions();
        var command = new Command("create", "Make an empty, thin image, or with --backing an overlay: what it does not hold itself is read from there.") { file, format, size };
        backing.AddTo(command);
        command.Validators.Add(result =>
        {
            if (result.GetResult(size) is null && !backing.IsGiven(result)) result.AddError("--size is required without --backing.");
            if (result.GetResult(file) is { Tokens: [{ Value: "" }] }) result.AddError("FILE is empty.");
        });
        context.SetAction(command, (parse, output, _) => Make(parse.GetValue(file)!, format.Get(parse)!.Value, parse.GetValue(size), backing.Get(parse, parse.GetValue(file)!, output), output));
        return command;
    }

    private static int Make(string path, ImageFormat format, long? size, ImageCreateOptions options, CommandOutput output)
    {
        long made = 0;
        NewImage.Write(
            path,
            () => NewImage.Create(path, format, size, options),
            image =>
            {
                image.Flush();
                made = image.Length;
            });
        output.Report(
            new CreateReport(path, format.Name(), made, options.Backing?.Name, options.Backing?.Format.Name()),
            json => json.CreateReport,
            r => output.Line(r.Backing is null ? $"{r.File}: {Quantities.Size(r.Size)}." : $"{r.File}: {Quantities.Size(r.Size)}, over {r.Backing}."));
        return ExitCode.Done;
    }
}
