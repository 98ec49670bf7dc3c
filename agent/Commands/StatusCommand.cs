using System.CommandLine;
using VmRepl.Agent.Commands.Arguments;

namespace VmRepl.Agent.Commands;

internal static class StatusCommand
{
    public static Command Create(CommandContext context)
    {
        var group = SharedOptions.Group();
        group.Description = "One group; without it, all.";
        group.Arity = ArgumentArity.ZeroOrOne;
        var socket = SharedOptions.Socket(context);
        var command = new Command("status", "Show what is protected, how far the replica is behind, and what can be restored.") { group, socket };
        context.SetAction(
            command,
            (parse, output, cancellation) => context.Commands().StatusAsync(new StatusArguments(parse.GetValue(group), parse.GetValue(socket)!), output, cancellation),
            group);
        return command;
    }
}
