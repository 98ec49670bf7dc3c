using System.CommandLine;
using VmRepl.Agent.Commands.Arguments;
using VmRepl.Agent.Commands.Parsing;

namespace VmRepl.Agent.Commands;

internal static class RewindCommand
{
    public static Command Create(CommandContext context)
    {
        var group = SharedOptions.Group();
        var to = new Option<PointChoice>("--to")
        {
            Description = "Which moment: the newest point, the newest at or before a TIME (ISO 8601), the point of that SEQUENCE, or a BOOKMARK.",
            HelpName = "latest|TIME|SEQUENCE|BOOKMARK",
            Required = true,
            CustomParser = result =>
            {
                if (PointText.TryParse(result.Tokens[0].Value, out var choice, out var problem)) return choice;
                result.AddError(problem.Replace("--at:", "--to:", StringComparison.Ordinal));
                return null;
            },
        };
        var command = new Command("rewind", "Take a group's live images in place to one moment, back or forward. Every point stays restorable.") { group, to };
        var source = new PointSourceOptions(command, context, "Rewind in the store's directory itself: through the replica that runs there, or with none running.");
        context.SetAction(
            command,
            (parse, output, cancellation) => context.Commands().RewindAsync(
                new RewindArguments(parse.GetValue(group)!, parse.GetValue(to)!, source.Get(parse)), output, cancellation),
            group);
        return command;
    }
}
