using System.CommandLine;
using VmRepl.Agent.Commands.Arguments;

namespace VmRepl.Agent.Commands;

internal static class ServeCommand
{
    public static Command Create(CommandContext context)
    {
        var group = SharedOptions.Group();
        var socket = SharedOptions.Socket(context);
        var command = new Command("serve", "Print the NBD URIs at which a served group's disks are to be used: what is written there is in the local file and on its way to the replica.") { group, socket };
        context.SetAction(
            command,
            (parse, output, cancellation) => context.Commands().ServeAsync(new GroupArguments(parse.GetValue(group)!, parse.GetValue(socket)!), output, cancellation),
            group);
        return command;
    }
}
