using System.CommandLine;
using VmRepl.Agent.Commands.Arguments;
using VmRepl.Agent.Commands.Parsing;
using VmRepl.Hypervisors.Boot;

namespace VmRepl.Agent.Commands;

internal static class TestFailoverCommand
{
    private static readonly TimeSpan DefaultLimit = TimeSpan.FromMinutes(5);
    private static readonly BootCheck DefaultCheck = new BootCheck.Survives(TimeSpan.FromSeconds(30));

    public static Command Create(CommandContext context)
    {
        var group = SharedOptions.Group();
        var at = SharedOptions.Point("--at", "Which moment: the newest point, the newest at or before a TIME (ISO 8601), the point of that SEQUENCE, or a BOOKMARK. Default: latest.");
        var check = new Option<BootCheck?>("--check")
        {
            Description = "What tells that the guest is up: text on its first serial port, a pattern there, QEMU's guest agent, a program's exit status, or that it runs so long. Default: runs:30s.",
            HelpName = "serial:TEXT|pattern:REGEX|agent|script:FILE|runs:TIME",
            CustomParser = result =>
            {
                if (BootCheckText.TryParse(result.Tokens[0].Value, out var read, out var problem)) return read;
                result.AddError(problem);
                return null;
            },
        };
        var limit = QuantityOptions.Span("--timeout", "How long the check may take. Default: 5min.");
        var powerdown = QuantityOptions.Span("--powerdown", "Ask the guest to shut down at the end and give it so long. Default: it is switched off.");
        var screenshot = SharedOptions.Path("--screenshot", "Write a picture of the guest's screen (PNG) to this new file.", "FILE");
        var allow = SharedOptions.Allow();
        allow.Description = "A directory in which the definition may name a kernel, firmware or its variables. May be repeated.";
        var list = new Option<bool>("--list") { Description = "Show the tests there were; boot nothing." };
        var command = new Command("test-failover", "Boot a group's VM as it was at one moment, here, with QEMU, apart from the network and over scratch layers, and tell whether it comes up. Replication goes on.")
        {
            group, at, check, limit, powerdown, screenshot, allow, list,
        };
        var source = new PointSourceOptions(command, context, "Go through the replica that has this store.");
        context.SetAction(
            command,
            (parse, output, cancellation) => context.Commands().TestFailoverAsync(
                new TestFailoverArguments(parse.GetValue(group)!, parse.GetValue(at) ?? new PointChoice.Latest(), parse.GetValue(check) ?? DefaultCheck, parse.GetValue(limit) ?? DefaultLimit,
                    parse.GetValue(powerdown) ?? TimeSpan.Zero, parse.GetValue(screenshot), parse.GetValue(allow) ?? [], parse.GetValue(list), source.Get(parse)), output, cancellation),
            group);
        return command;
    }
}
