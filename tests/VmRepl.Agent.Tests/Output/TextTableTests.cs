using VmRepl.Agent.Output;

namespace VmRepl.Agent.Tests.Output;

internal sealed class TextTableTests
{
    private static readonly string Long = new('x', 300);

    [Test]
    public void WriteTo_Pipe_IsPlainAlignedAndNeverWrapped()
    {
        var text = Written(null, json: false);
        Assert.That(text, Does.Contain($"\n{"[red]",-300}     7\n{"-",-300}    12\n{Long}     1\n"));
        Assert.That(text.Split('\n', StringSplitOptions.RemoveEmptyEntries), Has.Length.EqualTo(4));
        Assert.That(text, Does.Not.Contain("\e"));
    }

    [Test]
    public void WriteTo_Terminal_ShowsMarkupAsItIs()
    {
        var text = Written(new TerminalShape(80), json: false);
        Assert.That(text, Does.Contain("[red]").And.Contain("│"));
    }

    [Test]
    public void WriteTo_Json_WritesNothing() => Assert.That(Written(null, json: true), Is.Empty);

    private static string Written(TerminalShape? terminal, bool json)
    {
        using var result = new StringWriter();
        var table = new TextTable("Name", ">Size");
        table.Add("[red]", "7");
        table.Add(null, "12");
        table.Add(Long, "1");
        table.WriteTo(new CommandOutput(json, result, TextWriter.Null, terminal));
        return result.ToString();
    }
}
