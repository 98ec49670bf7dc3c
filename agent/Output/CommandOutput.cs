using System.Text.Json.Serialization.Metadata;
using VmRepl.Agent.Output.Progress;
using VmRepl.Agent.Output.Reports;

namespace VmRepl.Agent.Output;

/// <summary>
/// Where a command says things. Results go to standard output, as text or as one JSON object; notes, progress and failures go to standard error,
/// so that what a script reads holds the result and nothing else.
/// </summary>
public sealed class CommandOutput
{
    /// <param name="json">Whether results are JSON.</param>
    /// <param name="result">Standard output.</param>
    /// <param name="notes">Standard error.</param>
    /// <param name="resultTerminal">Shape of the terminal that <paramref name="result"/> is; null for a pipe or file.</param>
    /// <param name="notesTerminal">Shape of the terminal that <paramref name="notes"/> is; null for a pipe or file.</param>
    public CommandOutput(bool json, TextWriter result, TextWriter notes, TerminalShape? resultTerminal = null, TerminalShape? notesTerminal = null, TimeProvider? time = null)
    {
        IsJson = json;
        Result = result;
        Notes = notes;
        ResultTerminal = resultTerminal;
        Progress = new ProgressReporter(notes, notesTerminal, time ?? TimeProvider.System);
    }

    public bool IsJson { get; }

    /// <summary>Standard output: results only.</summary>
    public TextWriter Result { get; }

    /// <summary>Standard error.</summary>
    public TextWriter Notes { get; }

    /// <summary>Shape of the terminal that results go to; null where there is none.</summary>
    public TerminalShape? ResultTerminal { get; }

    /// <summary>Shows what takes long.</summary>
    public ProgressReporter Progress { get; }

    /// <summary>The process's own standard output and error.</summary>
    public static CommandOutput ForProcess(bool json) =>
        new(json, Console.Out, Console.Error, TerminalShape.Of(Console.Out, Console.IsOutputRedirected), TerminalShape.Of(Console.Error, Console.IsErrorRedirected));

    /// <summary>One line of a human result; nothing with --json.</summary>
    public void Line(string text = "")
    {
        if (!IsJson) Result.WriteLine(Printable.Line(text));
    }

    /// <summary>One line beside the result, for a person: what was probed, what was assumed. Nothing with --json.</summary>
    public void Note(string text)
    {
        if (!IsJson) Notes.WriteLine(Printable.Line(text));
    }

    /// <summary>One line that a person must see, also with --json.</summary>
    public void Warning(string text) => Notes.WriteLine($"warning: {Printable.Line(text)}");

    /// <summary>The result: as JSON, or as the text that <paramref name="human"/> writes.</summary>
    /// <param name="type">Picks the report's own description; called for JSON only, since loading the serializer takes longer than many commands.</param>
    public void Report<T>(T report, Func<ReportJson, JsonTypeInfo<T>> type, Action<T> human)
    {
        if (IsJson) Result.WriteLine(ReportJson.Serialize(report, type(ReportJson.Shared)));
        else human(report);
    }

    /// <summary>Says what went wrong, on standard error: a sentence and a hint, or one JSON object.</summary>
    internal void Failure(CommandFailure failure, bool trace)
    {
        if (IsJson)
        {
            var report = new FailureReport(new FailureDescription(failure.Message, failure.Hint, failure.Group));
            Notes.WriteLine(ReportJson.Serialize(report, ReportJson.Shared.FailureReport));
        }
        else
        {
            Notes.WriteLine($"vmrepl: {Printable.Line(failure.Message)}");
            if (failure.Hint is not null) Notes.WriteLine($"  {Printable.Line(failure.Hint)}");
        }

        if (trace) Notes.WriteLine(Printable.Lines((failure.InnerException ?? failure).ToString()));
    }
}
