using System.CommandLine;
using VmRepl.Agent.Commands.Arguments;

namespace VmRepl.Agent.Commands;

internal static class ScrubCommand
{
    public static Command Create(CommandContext context)
    {
        var group = SharedOptions.Group();
        group.Description = "The protection group's name; with --store it may be left out, for every group of the store.";
        group.Arity = ArgumentArity.ZeroOrOne;
        var command = new Command("scrub", "Verify everything that is kept of a group, or of every group of a store, and name what is damaged and the recovery points that it spoils. Exit status: 0 clean, 1 damaged.") { group };
        var rate = QuantityOptions.Size("--rate", "Most bytes read in a second. Default: no limit.");
        command.Options.Add(rate);
        var source = new PointSourceOptions(command, context);
        command.Validators.Add(result =>
        {
            if (result.GetResult(group) is null or { Tokens.Count: 0 } && !source.IsStore(result)) result.AddError("Which group? Name one, or give --store for every group of a store.");
        });
        context.SetAction(
            command,
            (parse, output, cancellation) => context.Commands().ScrubAsync(new ScrubArguments(parse.GetValue(group), source.Get(parse), parse.GetValue(rate) ?? 0), output, cancellation),
            group);
        return command;
    }
}
