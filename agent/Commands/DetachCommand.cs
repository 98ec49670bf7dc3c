using System.CommandLine;
using System.CommandLine.Parsing;
using VmRepl.Agent.Commands.Arguments;
using VmRepl.Protocol.Names;

namespace VmRepl.Agent.Commands;

internal static class DetachCommand
{
    public static Command Create(CommandContext context)
    {
        var group = SharedOptions.Group();
        var at = SharedOptions.Point("--at", "Only what is attached at this moment. Default: everything of the group.");
        var id = new Option<int>("--id") { Description = "Only the attachment of this number, of several at one moment.", HelpName = "NUMBER" };
        var keep = new Option<string?>("--keep") { Description = "Keep what was written: write the disks out under this name, beside the store's groups, as QCOW2 images. Without it, it is thrown away.", HelpName = "NAME" };
        var command = new Command("detach", "End what attach began. Clients that still use it get errors from then on.") { group, at, id, keep };
        var source = new PointSourceOptions(command, context, "Go through the replica that has this store.");
        command.Validators.Add(result =>
        {
            if (result.GetResult(id) is { } given && given.Tokens is [{ Value: var text }] && (!int.TryParse(text, out var number) || number < 1)) result.AddError($"--id: \"{text}\" is no attachment's number.");
            if (result.GetResult(keep) is { } named && named.Tokens is [{ Value: var name }] && !NameRule.IsValid(name)) result.AddError($"--keep: \"{name}\" cannot be a name: {NameRule.Text}.");
        });
        context.SetAction(
            command,
            (parse, output, cancellation) => context.Commands().DetachAsync(
                new DetachArguments(parse.GetValue(group)!, parse.GetValue(at), parse.GetValue(id), parse.GetValue(keep), source.Get(parse)), output, cancellation),
            group);
        return command;
    }
}
