using System.CommandLine;
using System.CommandLine.Invocation;
using VmRepl.Agent.Output;

namespace VmRepl.Agent.Commands;

/// <summary>Reads the command line and runs what it says.</summary>
internal static class CommandLine
{
    /// <summary>The command's exit status. Never throws.</summary>
    public static int Run(string[] arguments, CommandContext context, TextWriter? help = null)
    {
        var root = CommandTree.Create(context, arguments.FirstOrDefault());
        // A file whose name begins with '@' is a file, not a list of further arguments.
        var parse = root.Parse(arguments, new ParserConfiguration { ResponseFileTokenReplacer = null, EnablePosixBundling = false });
        if (parse.Action is ParseErrorAction || (parse.Action is null && parse.Errors.Count > 0))
        {
            var path = parse.CommandResult.Command is RootCommand ? "vmrepl" : $"vmrepl {Path(parse.CommandResult)}";
            var problems = parse.Errors.Select(e => e.Message).Distinct().ToList();
            // With a mistyped command both are said, and only one of them helps.
            if (parse.UnmatchedTokens.Count > 0) problems.RemoveAll(p => p.StartsWith("Required command", StringComparison.Ordinal));
            return context.UsageFailure(arguments.Contains("--json"), problems, path);
        }

        // Signals are the caller's, who gives running processes the time they need to stop cleanly.
        var configuration = new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };
        if (help is not null) configuration.Output = help;
        return parse.Action is AsynchronousCommandLineAction
            ? parse.InvokeAsync(configuration, context.Cancellation).GetAwaiter().GetResult()
            : parse.Invoke(configuration);
    }

    private static string Path(System.CommandLine.Parsing.CommandResult result) =>
        result.Parent is System.CommandLine.Parsing.CommandResult { Command: not RootCommand } parent ? $"{Path(parent)} {result.Command.Name}" : result.Command.Name;
}
