using System.CommandLine;
using VmRepl.Agent.Output;

namespace VmRepl.Agent.Commands;

/// <summary>What every command is built with, and how each is run.</summary>
/// <param name="commands">Makes what the commands do; called by the one command that runs, since making it may cost.</param>
/// <param name="output">Makes where it is said; the argument is whether --json was given.</param>
/// <param name="environment">Environment variables.</param>
/// <param name="cancellation">Cancelled when the process is to stop.</param>
internal sealed class CommandContext(Func<IVmReplCommands> commands, Func<bool, CommandOutput> output, Func<string, string?> environment, CancellationToken cancellation)
{
    /// <summary>Set to 1 to see where a failure came from.</summary>
    public const string TraceVariable = "VMREPL_TRACE";

    public Option<bool> Json { get; } = new("--json") { Description = "Print the result as one JSON object, and a failure as one on standard error.", Recursive = true };

    public Func<string, string?> Environment => environment;

    /// <summary>Cancelled when the process is to stop.</summary>
    public CancellationToken Cancellation => cancellation;

    public IVmReplCommands Commands() => commands();

    /// <summary>Gives <paramref name="command"/> its action, with every failure put into words at this edge.</summary>
    /// <param name="group">Says which group the command is about, for its failures.</param>
    public void SetAction(
        Command command,
        Func<ParseResult, CommandOutput, CancellationToken, Task<int>> action,
        Argument<string>? group = null) =>
        command.SetAction(async (parse, _) =>
        {
            var said = output(parse.GetValue(Json));
            try
            {
                return await action(parse, said, cancellation);
            }
            catch (Exception e)
            {
                return Failed(e, said, group is null ? null : parse.GetValue(group));
            }
        });

    /// <summary>As the other, for work that is done on the calling thread: cheaper to start, which is felt in commands that take a tenth of a second.</summary>
    /// <param name="failed">Maps a failure's exit status to the command's own, where it has its own; null for the usual ones.</param>
    public void SetAction(Command command, Func<ParseResult, CommandOutput, CancellationToken, int> action, Func<int, int>? failed = null) =>
        command.SetAction(parse =>
        {
            var said = output(parse.GetValue(Json));
            try
            {
                return action(parse, said, cancellation);
            }
            catch (Exception e)
            {
                var exitCode = Failed(e, said, group: null);
                return failed is null ? exitCode : failed(exitCode);
            }
        });

    private int Failed(Exception exception, CommandOutput said, string? group)
    {
        var failure = FailureReading.Read(exception, group);
        said.Failure(failure, environment(TraceVariable) == "1");
        return failure.ExitCode;
    }

    /// <summary>Says that the command line cannot be understood.</summary>
    public int UsageFailure(bool json, IEnumerable<string> problems, string command)
    {
        var failure = new CommandFailure(string.Join(" ", problems), $"See \"{command} --help\".", exitCode: ExitCode.Usage);
        output(json).Failure(failure, trace: false);
        return failure.ExitCode;
    }
}
