using System.CommandLine;
using VmRepl.Agent.Commands.Arguments;

namespace VmRepl.Agent.Commands;

internal static class UnprotectCommand
{
    public static Command Create(CommandContext context)
    {
        var group = SharedOptions.Group();
        var socket = SharedOptions.Socket(context);
        var command = new Command("unprotect", "Stop protecting a group. What the replica has stays restorable.") { group, socket };
        context.SetAction(
            command,
            (parse, output, cancellation) => context.Commands().UnprotectAsync(new GroupArguments(parse.GetValue(group)!, parse.GetValue(socket)!), output, cancellation),
            group);
        return command;
    }
}
