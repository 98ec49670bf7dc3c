using System.CommandLine;
using VmRepl.Agent.Commands.Arguments;
using VmRepl.Agent.Commands.Parsing;
using VmRepl.Agent.Output;
using VmRepl.Agent.Output.Reports;
using VmRepl.Blocks;
using VmRepl.Images;
using VmRepl.Images.Operations;

namespace VmRepl.Agent.Commands.Image;

internal static class ImageDiffCommand
{
    public static Command Create(CommandContext context)
    {
        var allow = SharedOptions.Allow();
        var old = new ImageArguments("OLD", "The image that TARGET is to stand on. It must not be written any more. With --group: a recovery point.", "--old-format", allow);
        var changed = new ImageArguments("NEW", "The image that TARGET is to show. With --group: a later or earlier recovery point.", "--new-format", allow);
        var target = new ImageFileArgument("TARGET", "The overlay to make. It must not exist.");
        var format = new FormatOption("--format", "Format of TARGET. A VHDX stands on a VHDX, a VMDK on a VMDK, a VHD on a VHD, a QCOW2 on any.", required: true);
        var flush = new Option<bool>("--flush") { Description = "Return only when TARGET is on stable storage." };
        var group = new Option<string?>("--group") { Description = "OLD and NEW are points of this group: latest|TIME|SEQUENCE|BOOKMARK.", HelpName = "GROUP" };
        var disk = new Option<string?>("--disk") { Description = "The disk of the group; not needed where it has one.", HelpName = "NAME" };
        var backing = SharedOptions.Path("--backing", "With --group: an image with the disk's contents at OLD, as restore-vm writes it, for TARGET to stand on.", "FILE");
        var command = new Command("diff", "Write what NEW has otherwise than OLD into an overlay over OLD. What both images read from the same place of the same file is not read.") { format, flush, allow, group, disk, backing };
        old.AddTo(command);
        changed.AddTo(command);
        command.Arguments.Add(target);
        var source = new PointSourceOptions(command, context);
        command.Validators.Add(result =>
        {
            var isOfPoints = result.GetResult(group) is not null;
            if (isOfPoints != result.GetResult(backing) is not null) result.AddError("--group and --backing go together.");
            if (isOfPoints) return;
            foreach (var name in source.Given(result).Prepend(result.GetResult(disk) is null ? null : disk.Name).OfType<string>()) result.AddError($"{name} is for --group.");
        });
        context.SetAction(command, async (parse, output, cancellation) =>
        {
            if (parse.GetValue(group) is { } name)
            {
                return await context.Commands().DiffPointsAsync(
                    new PointDiffArguments(name, parse.GetValue(disk), Point(old, parse), Point(changed, parse), parse.GetValue(backing)!, old.Format(parse), parse.GetValue(target)!, format.Get(parse)!.Value,
                        parse.GetValue(allow) ?? [], parse.GetValue(flush), source.Get(parse)),
                    output,
                    cancellation);
            }

            var path = parse.GetValue(target)!;
            NewImage.RefuseExisting(path);
            using var before = old.Open(parse, output);
            using var after = changed.Open(parse, output);
            var options = BackingOptions.Over(path, old.Name(parse), before.Format, parse.GetValue(allow) ?? [], output);
            return Diff(before, after, path, format.Get(parse)!.Value, options, new DiffOptions { Flush = parse.GetValue(flush) }, output, cancellation);
        });
        return command;
    }

    private static PointChoice Point(ImageArguments argument, ParseResult parse) =>
        PointText.TryParse(argument.Name(parse), out var choice, out _) ? choice
        : throw new CommandFailure($"\"{argument.Name(parse)}\" is no point: neither \"latest\", nor an ISO 8601 time, nor a sequence, nor a bookmark's name.", "vmrepl points GROUP lists the points.", exitCode: ExitCode.Usage);

    /// <summary>Makes the overlay at <paramref name="path"/> and reports it.</summary>
    internal static int Diff(IBlockDevice old, IBlockDevice changed, string path, ImageFormat format, ImageCreateOptions create, DiffOptions options, CommandOutput output, CancellationToken cancellation)
    {
        DiffResult found = default;
        output.Progress.Run("Comparing", changed.Length, progress => NewImage.Write(
            path,
            () => NewImage.Create(path, format, changed.Length, create),
            target => found = ImageDiffer.Write(old, changed, target, options with { Progress = progress }, cancellation)));
        output.Report(
            new DiffReport(path, format.Name(), changed.Length, create.Backing!.Name, create.Backing.Format.Name(), found.BytesRead, found.BytesWritten, found.BytesZeroed),
            json => json.DiffReport,
            r => output.Line($"{r.File}: {Quantities.Size(r.Size)}, over {r.Backing}: {Quantities.Size(r.BytesWritten)} changed, {Quantities.Size(r.BytesZeroed)} became zeros."));
        return ExitCode.Done;
    }
}
