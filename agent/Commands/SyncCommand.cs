using System.CommandLine;
using VmRepl.Agent.Commands.Arguments;

namespace VmRepl.Agent.Commands;

internal static class SyncCommand
{
    public static Command Create(CommandContext context)
    {
        var group = SharedOptions.Group();
        var socket = SharedOptions.Socket(context);
        var command = new Command("sync", "Make a round now, and return when its recovery point is durable. Waits for a running round first.") { group, socket };
        context.SetAction(
            command,
            (parse, output, cancellation) => context.Commands().SyncAsync(new GroupArguments(parse.GetValue(group)!, parse.GetValue(socket)!), output, cancellation),
            group);
        return command;
    }
}
