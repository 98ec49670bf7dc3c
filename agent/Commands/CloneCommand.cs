using System.CommandLine;
using VmRepl.Agent.Commands.Arguments;
using VmRepl.Clones.Made;

namespace VmRepl.Agent.Commands;

internal static class CloneCommand
{
    public static Command Create(CommandContext context)
    {
        var group = SharedOptions.Group();
        var name = new Option<string>("--name") { Description = $"What to call the clone: {CloneNameRule.Text}.", HelpName = "NAME", Required = true };
        name.Validators.Add(result =>
        {
            foreach (var token in result.Tokens)
            {
                if (!CloneNameRule.IsValid(token.Value)) result.AddError($"That cannot be a clone's name: {CloneNameRule.Text}.");
            }
        });
        var socket = SharedOptions.Socket(context);
        var command = new Command("clone", "Clone all disks of a served group at one moment, here and at the replica; the replica makes its clone of what it has.") { group, name, socket };
        context.SetAction(
            command,
            (parse, output, cancellation) => context.Commands().CloneAsync(new CloneArguments(parse.GetValue(group)!, parse.GetValue(name)!, parse.GetValue(socket)!), output, cancellation),
            group);
        return command;
    }
}
