using System.CommandLine;
using VmRepl.Agent.Commands.Arguments;

namespace VmRepl.Agent.Commands;

internal static class AttachCommand
{
    public static Command Create(CommandContext context)
    {
        var group = SharedOptions.Group();
        var at = SharedOptions.Point("--at", "Which moment: the newest point, the newest at or before a TIME (ISO 8601), the point of that SEQUENCE, or a BOOKMARK. Default: latest.");
        var writable = new Option<bool>("--writable") { Description = "Give each disk a scratch layer: what is written stays apart from the live image and the journal, and can be kept or thrown away." };
        var list = new Option<bool>("--list") { Description = "Show what is attached of the group; attach nothing." };
        var command = new Command("attach", "Have the replica serve a group's disks as of one moment over NBD, until they are detached. Replication goes on.") { group, at, writable, list };
        var source = new PointSourceOptions(command, context, "Go through the replica that has this store.");
        command.Validators.Add(result =>
        {
            if (result.GetResult(list) is not null && (result.GetResult(at) is not null || result.GetResult(writable) is not null)) result.AddError("--list goes without --at and --writable.");
        });
        context.SetAction(
            command,
            (parse, output, cancellation) => context.Commands().AttachAsync(
                new AttachArguments(parse.GetValue(group)!, parse.GetValue(at) ?? new PointChoice.Latest(), parse.GetValue(writable), parse.GetValue(list), source.Get(parse)), output, cancellation),
            group);
        return command;
    }
}
