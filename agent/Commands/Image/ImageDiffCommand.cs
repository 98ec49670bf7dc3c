using System.CommandLine;
using VmRepl.Agent.Output;
using VmRepl.Agent.Output.Reports;
using VmRepl.Images;
using VmRepl.Images.Operations;

namespace VmRepl.Agent.Commands.Image;

internal static class ImageDiffCommand
{
    public static Command Create(CommandContext context)
    {
        var allow = SharedOptions.Allow();
        var old = new ImageArguments("OLD", "The image that TARGET is to stand on. It must not be written any more.", "--old-format", allow);
        var changed = new ImageArguments("NEW", "The image that TARGET is to show.", "--new-format", allow);
        var target = new Argument<string>("TARGET") { Description = "The overlay to make. It must not exist." };
        target.Validators.Add(result =>
        {
            if (result.Tokens.Any(t => t.Value.Length == 0)) result.AddError("TARGET is empty.");
        });
        var format = new FormatOption("--format", "Format of TARGET. A VHDX stands on a VHDX, a VMDK on a VMDK, a VHD on a VHD, a QCOW2 on any.", required: true);
        var flush = new Option<bool>("--flush") { Description = "Return only when TARGET is on stable storage." };
        var command = new Command("diff", "Write what NEW has otherwise than OLD into an overlay over OLD. What both images read from the same place of the same file is not read.") { format, flush, allow };
        old.AddTo(command);
        changed.AddTo(command);
        command.Arguments.Add(target);
        context.SetAction(command, (parse, output, cancellation) =>
        {
            var path = parse.GetValue(target)!;
            NewImage.RefuseExisting(path);
            using var before = old.Open(parse, output);
            using var after = changed.Open(parse, output);
            var options = BackingOptions.Over(path, old.Name(parse), before.Format, parse.GetValue(allow) ?? [], output);
            return Diff(before, after, path, format.Get(parse)!.Value, options, new DiffOptions { Flush = parse.GetValue(flush) }, output, cancellation);
        });
        return command;
    }

    private static int Diff(IDiskImage old, IDiskImage changed, string path, ImageFormat format, ImageCreateOptions create, DiffOptions options, CommandOutput output, CancellationToken cancellation)
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
