using System.CommandLine;
using VmRepl.Agent.Commands.Arguments;

namespace VmRepl.Agent.Commands;

internal static class RewindCommand
{
    public static Command Create(CommandContext context)
    {
        var group = SharedOptions.Group();
        var to = SharedOptions.Point("--to", "Which moment: the newest point, the newest at or before a TIME (ISO 8601), the point of that SEQUENCE, or a BOOKMARK.", required: true);
        var command = new Command("rewind", "Take a group's live images in place to one moment, back or forward. Every point stays restorable.") { group, to };
        var source = new PointSourceOptions(command, context, "Rewind in the store's directory itself: through the replica that runs there, or with none running.");
        context.SetAction(
            command,
            (parse, output, cancellation) => context.Commands().RewindAsync(
                new RewindArguments(parse.GetValue(group)!, parse.GetValue(to)!, source.Get(parse)), output, cancellation),
            group);
        return command;
    }
}
