using Spectre.Console;

namespace VmRepl.Agent.Output;

/// <summary>A Spectre console over a stream that is known to be a terminal.</summary>
internal static class Terminal
{
    public static IAnsiConsole Create(TextWriter writer, TerminalShape shape)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.Yes,
            ColorSystem = Environment.GetEnvironmentVariable("NO_COLOR") is { Length: > 0 } ? ColorSystemSupport.NoColors : ColorSystemSupport.Detect,
            Interactive = InteractionSupport.Yes,
            Out = new AnsiConsoleOutput(writer),
        });
        console.Profile.Width = shape.Columns;
        return console;
    }
}
