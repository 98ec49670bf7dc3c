using VmRepl.Agent.Commands;
using VmRepl.Agent.Output;

namespace VmRepl.Agent.Tests.Commands;

/// <summary>One command line, run in this process.</summary>
/// <param name="Status">Exit status.</param>
/// <param name="Output">Standard output.</param>
/// <param name="Error">Standard error.</param>
/// <param name="Asked">What reached <see cref="IVmReplCommands"/>, or null.</param>
internal sealed record CommandRun(int Status, string Output, string Error, object? Asked)
{
    public const string Socket = "/test/agent.sock";

    public static CommandRun Of(params string[] arguments) => With(new RecordingCommands(), [], default, arguments);

    public static CommandRun Failing(Exception failure, params string[] arguments) => With(new RecordingCommands(_ => throw failure), [], default, arguments);

    public static CommandRun With(RecordingCommands commands, Dictionary<string, string> environment, CancellationToken cancellation, params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var variables = new Dictionary<string, string>(environment);
        variables.TryAdd("VMREPL_SOCKET", Socket);
        var context = new CommandContext(() => commands, json => new CommandOutput(json, output, error), variables.GetValueOrDefault, cancellation);
        var status = CommandLine.Run(arguments, context, output);
        return new CommandRun(status, output.ToString(), error.ToString(), commands.Asked);
    }
}
