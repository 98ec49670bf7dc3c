using Spectre.Console;

namespace VmRepl.Agent.Output;

/// <summary>A table for people: drawn by Spectre.Console on a terminal, columns padded with blanks and never wrapped elsewhere.</summary>
/// <param name="headers">Column titles; one that begins with '>' is for numbers and stands at the right.</param>
public sealed class TextTable(params string[] headers)
{
    private const string Gap = "  ";

    private readonly string[] titles = [.. headers.Select(h => h.TrimStart('>'))];
    private readonly bool[] right = [.. headers.Select(h => h.StartsWith('>'))];
    private readonly List<string[]> rows = [];

    /// <summary>Adds a row; a null cell is shown as "-".</summary>
    public void Add(params string?[] cells)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(cells.Length, titles.Length);
        rows.Add([.. cells.Select(c => Printable.Line(c ?? "-"))]);
    }

    /// <summary>Writes the table to the result of <paramref name="output"/>; nothing with --json.</summary>
    public void WriteTo(CommandOutput output)
    {
        if (output.IsJson) return;
        if (output.ResultTerminal is { } terminal) Draw(output.Result, terminal);
        else WritePlain(output.Result);
    }

    private void WritePlain(TextWriter writer)
    {
        var widths = titles.Select((t, i) => rows.Select(r => r[i].Length).Append(t.Length).Max()).ToArray();
        WriteRow(titles);
        foreach (var row in rows) WriteRow(row);

        void WriteRow(string[] cells) =>
            writer.WriteLine(string.Join(Gap, cells.Select((c, i) => right[i] ? c.PadLeft(widths[i]) : c.PadRight(widths[i]))).TrimEnd());
    }

    private void Draw(TextWriter writer, TerminalShape terminal)
    {
        var table = new Table { Border = TableBorder.Rounded };
        for (var i = 0; i < titles.Length; i++)
            table.AddColumn(new TableColumn(new Text(titles[i], new Style(decoration: Decoration.Bold))) { Alignment = right[i] ? Justify.Right : Justify.Left });
        foreach (var row in rows) table.AddRow(row.Select(c => new Text(c)));
        Terminal.Create(writer, terminal).Write(table);
    }
}
