using System.CommandLine;
using VmRepl.Agent.Commands.Arguments;

namespace VmRepl.Agent.Commands;

internal static class DemoCommand
{
    public static Command Create(CommandContext context)
    {
        var keep = SharedOptions.Path("--keep", "Work in this directory and leave everything there to look at.", "DIR");
        var damage = new Option<bool>("--damage") { Description = "Flip one byte of the store first: the restore must name the damage, and the demo exits 1." };
        var command = new Command("demo", "Show the whole job on sample disks: protect, change, restore three moments, compare.") { keep, damage };
        context.SetAction(command, (parse, output, cancellation) =>
            context.Commands().DemoAsync(new DemoArguments(parse.GetValue(keep), parse.GetValue(damage)), output, cancellation));
        return command;
    }
}
