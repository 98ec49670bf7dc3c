using System.CommandLine;
using VmRepl.Agent.Commands.Arguments;
using VmRepl.Protocol.Names;

namespace VmRepl.Agent.Commands;

internal static class BookmarkCommand
{
    public static Command Create(CommandContext context)
    {
        var group = SharedOptions.Group();
        var name = new Argument<string>("NAME") { Description = $"The bookmark: {NameRule.BookmarkText}." };
        name.Validators.Add(result =>
        {
            foreach (var token in result.Tokens)
            {
                if (!NameRule.IsValidBookmark(token.Value)) result.AddError($"\"{token.Value}\" cannot be a bookmark's name: {NameRule.BookmarkText}.");
            }
        });
        var socket = SharedOptions.Socket(context);
        var command = new Command("bookmark", "Give the newest recovery point of a group a name.") { group, name, socket };
        context.SetAction(
            command,
            (parse, output, cancellation) => context.Commands().BookmarkAsync(
                new BookmarkArguments(parse.GetValue(group)!, parse.GetValue(name)!, parse.GetValue(socket)!), output, cancellation),
            group);
        return command;
    }
}
