namespace VmRepl.Agent.Output;

/// <summary>The terminal that a stream goes to.</summary>
/// <param name="Columns">Width in characters; at least 20.</param>
public sealed record TerminalShape(int Columns)
{
    private const int ColumnsMin = 20, ColumnsUnknown = 80;

    /// <summary>The terminal behind <paramref name="writer"/>, or null if it is a pipe, a file, or a terminal that understands no escape codes (TERM=dumb).</summary>
    public static TerminalShape? Of(TextWriter writer, bool isRedirected)
    {
        if (isRedirected || writer == TextWriter.Null || Environment.GetEnvironmentVariable("TERM") is "dumb") return null;
        try
        {
            return new TerminalShape(Console.WindowWidth <= 0 ? ColumnsUnknown : Math.Max(ColumnsMin, Console.WindowWidth));
        }
        catch (IOException)
        {
            return new TerminalShape(ColumnsUnknown);
        }
    }
}
