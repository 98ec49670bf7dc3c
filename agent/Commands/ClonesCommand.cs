using System.CommandLine;
using VmRepl.Agent.Commands.Arguments;

namespace VmRepl.Agent.Commands;

internal static class ClonesCommand
{
    public static Command Create(CommandContext context)
    {
        var group = SharedOptions.Group();
        group.Description = "The clones of one group; without it, all that is known, files that are no clones among them.";
        group.Arity = ArgumentArity.ZeroOrOne;
        var socket = SharedOptions.Socket(context);
        var command = new Command("clones", "List the clones that were made or were dropped into the agent's directories, and what became of each.") { group, socket };
        context.SetAction(
            command,
            (parse, output, cancellation) => context.Commands().ClonesAsync(new ClonesArguments(parse.GetValue(group), parse.GetValue(socket)!), output, cancellation),
            group);
        return command;
    }
}
