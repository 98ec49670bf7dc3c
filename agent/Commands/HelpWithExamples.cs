using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace VmRepl.Agent.Commands;

/// <summary>Help, and at its end how the command is used.</summary>
internal sealed class HelpWithExamples(HelpAction help) : SynchronousCommandLineAction
{
    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        help.Invoke(parseResult);
        var output = parseResult.InvocationConfiguration.Output;
        if (HelpExamples.Of(parseResult.CommandResult.Command) is not { } examples) return 0;
        output.WriteLine("Examples:");
        foreach (var line in examples.Split('\n')) output.WriteLine(line.Length == 0 ? "" : $"  {line}");
        output.WriteLine();
        return 0;
    }
}
