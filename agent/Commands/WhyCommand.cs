using System.CommandLine;
using VmRepl.Agent.Commands.Arguments;

namespace VmRepl.Agent.Commands;

internal static class WhyCommand
{
    public static Command Create(CommandContext context)
    {
        var group = SharedOptions.Group();
        var socket = SharedOptions.Socket(context);
        var command = new Command("why", "Say how a served group's replica was brought level each time the link was made, why so, and what it cost.") { group, socket };
        context.SetAction(
            command,
            (parse, output, cancellation) => context.Commands().WhyAsync(new GroupArguments(parse.GetValue(group)!, parse.GetValue(socket)!), output, cancellation),
            group);
        return command;
    }
}
