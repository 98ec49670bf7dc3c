using System.CommandLine;
using VmRepl.Agent.Commands.Arguments;

namespace VmRepl.Agent.Commands;

internal static class PointsCommand
{
    public static Command Create(CommandContext context)
    {
        var group = SharedOptions.Group();
        var command = new Command("points", "List a group's recovery points, oldest first.") { group };
        var source = new PointSourceOptions(command, context);
        context.SetAction(
            command,
            (parse, output, cancellation) => context.Commands().PointsAsync(new PointsArguments(parse.GetValue(group)!, source.Get(parse)), output, cancellation),
            group);
        return command;
    }
}
