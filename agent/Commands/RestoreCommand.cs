using System.CommandLine;
using VmRepl.Agent.Commands.Arguments;

namespace VmRepl.Agent.Commands;

internal static class RestoreCommand
{
    public static Command Create(CommandContext context)
    {
        var group = SharedOptions.Group();
        var to = SharedOptions.Path("--to", "The directory to make and write the disks, \"definition\" and \"metadata.json\" into. Nothing is ever overwritten.", "DIR", required: true);
        var at = SharedOptions.Point("--at", "Which moment: the newest point, the newest at or before a TIME (ISO 8601) or SEQUENCE, or a BOOKMARK. Default: latest.");
        var format = new FormatOption("--format", "Format of the disks written; without it, each source disk's own.");
        var plan = new Option<bool>("--plan") { Description = "Say what would be read and written and how long it would take; touch nothing." };
        var clone = new Option<string?>("--clone") { Description = "Restore the group's clone of that name in place of the group: its disks, as they were when it was made or dropped. Of several with the name, the newest.", HelpName = "NAME" };
        var command = new Command("restore-vm", "Write every disk of a group as it was at one moment, with SHA-256 digests as proof.") { group, to, at, clone, format, plan };
        command.Validators.Add(result =>
        {
            if (result.GetResult(clone) is not null && result.GetResult(at) is not null) result.AddError("--clone and --at exclude each other: a clone has one point.");
        });
        var source = new PointSourceOptions(command, context);
        context.SetAction(
            command,
            (parse, output, cancellation) => context.Commands().RestoreAsync(
                new RestoreArguments(
                    parse.GetValue(group)!,
                    parse.GetValue(to)!,
                    parse.GetValue(at) ?? new PointChoice.Latest(),
                    format.Get(parse),
                    source.Get(parse),
                    parse.GetValue(plan))
                {
                    CloneName = parse.GetValue(clone),
                },
                output,
                cancellation),
            group);
        return command;
    }
}
