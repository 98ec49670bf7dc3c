using System.Diagnostics;

namespace VmRepl.Agent.Output;

/// <summary>
/// A job told step by step to a person who watches: a heading for each chapter, a line for each step with how it went and how long it took, and facts below it.
/// Plain text with a mark in front, coloured on a terminal; nothing with --json.
/// </summary>
public sealed class Steps(CommandOutput output)
{
    private const string Green = "\e[32m", Red = "\e[31m", Bold = "\e[1m", Faint = "\e[2m", Plain = "\e[0m";

    private readonly bool colours = output.ResultTerminal is not null && Environment.GetEnvironmentVariable("NO_COLOR") is not { Length: > 0 };

    /// <summary>Begins a chapter.</summary>
    public void Chapter(string title)
    {
        Write("");
        Write(Coloured(Bold, Printable.Line(title)));
    }

    /// <summary>Runs a step and says how it ended; what it throws goes on.</summary>
    public async Task<T> RunAsync<T>(string title, Func<Task<T>> work)
    {
        var start = Stopwatch.GetTimestamp();
        try
        {
            var result = await work();
            Mark(true, $"{title} ({Quantities.Duration(Stopwatch.GetElapsedTime(start))})");
            return result;
        }
        catch
        {
            Mark(false, title);
            throw;
        }
    }

    /// <summary>As the other, for a step without a result.</summary>
    public Task RunAsync(string title, Func<Task> work) => RunAsync(title, async () =>
    {
        await work();
        return true;
    });

    /// <summary>A step or check that is over: "ok" or "FAILED" and what it was.</summary>
    public void Mark(bool well, string text) => Write($"  {(well ? Coloured(Green, "ok    ") : Coloured(Red, "FAILED"))} {Printable.Line(text)}");

    /// <summary>A fact below a step.</summary>
    public void Fact(string text) => Write($"         {Coloured(Faint, Printable.Line(text))}");

    private void Write(string line)
    {
        if (!output.IsJson) output.Result.WriteLine(line);
    }

    private string Coloured(string colour, string text) => colours ? colour + text + Plain : text;
}
