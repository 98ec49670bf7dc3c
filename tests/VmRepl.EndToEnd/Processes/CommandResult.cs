using System.Text.Json;

namespace VmRepl.EndToEnd.Processes;

/// <summary>How one <c>vmrepl</c> command ended.</summary>
internal sealed record CommandResult(string Command, int ExitCode, string Output, string Error)
{
    /// <summary>What it printed on standard output, with <c>--json</c>.</summary>
    public JsonElement Json => Parse(Output);

    /// <summary>The <c>error</c> object that it printed on standard error, with <c>--json</c>.</summary>
    public JsonElement Failure => Parse(Error).GetProperty("error");

    /// <summary>The failure's sentence.</summary>
    public string Message => Failure.GetProperty("message").GetString()!;

    /// <summary>The next step; empty where there is none.</summary>
    public string Hint => Failure.TryGetProperty("hint", out var hint) ? hint.GetString() ?? "" : "";

    /// <summary>The command's success, or an assertion that says what it printed.</summary>
    public CommandResult MustSucceed()
    {
        Assert.That(ExitCode, Is.Zero, ToString());
        return this;
    }

    /// <summary>Its failure with that exit status, in one sentence that holds every one of <paramref name="words"/>, followed by a next step.</summary>
    public CommandResult MustFail(int exitCode, params string[] words)
    {
        Assert.That(ExitCode, Is.EqualTo(exitCode), ToString());
        Assert.That(Output, Is.Empty, "a failure prints nothing on standard output");
        Assert.Multiple(() =>
        {
            foreach (var word in words) Assert.That(Message, Does.Contain(word).IgnoreCase, ToString());
            Assert.That(Message, Does.Not.Contain('\n'), "one sentence");
            Assert.That(Message, Does.Not.Contain("Exception"), "a sentence for a person");
            Assert.That(Hint, Is.Not.Empty, $"the next step\n{this}");
        });
        return this;
    }

    public override string ToString() => $"vmrepl {Command}\nexit {ExitCode}\n{Output}\n{Error}";

    private JsonElement Parse(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            return document.RootElement.Clone();
        }
        catch (JsonException e)
        {
            throw new AssertionException($"no JSON: {e.Message}\n{this}");
        }
    }
}
