using System.Text;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Serilog.Debugging;
using VmRepl.Agent.Logging;

namespace VmRepl.Agent.Tests.Logging;

[TestFixture]
[NonParallelizable]
public class LoggingSetupTests
{
    private TextWriter standardError = TextWriter.Null;
    private TextWriter standardOutput = TextWriter.Null;
    private readonly StringWriter error = new();
    private readonly StringWriter output = new();

    [SetUp]
    public void Redirect()
    {
        (standardError, standardOutput) = (Console.Error, Console.Out);
        error.GetStringBuilder().Clear();
        output.GetStringBuilder().Clear();
        Console.SetError(error);
        Console.SetOut(output);
    }

    [TearDown]
    public void Restore()
    {
        Console.SetError(standardError);
        Console.SetOut(standardOutput);
        SelfLog.Disable();
    }

    [Test]
    public void Log_NothingConfigured_GoesToStandardErrorAlone()
    {
        using (var log = LoggingSetup.CreateLogger(Configuration("{}")))
        {
            log.Information("Group {Group} is protected", "vm1");
            log.Debug("not this");
        }

        Assert.That(error.ToString(), Does.Contain("vm1").And.Not.Contain("not this"));
        Assert.That(output.ToString(), Is.Empty);
    }

    [Test]
    public void Log_OnlyALevelConfigured_KeepsTheConsole()
    {
        using (var log = LoggingSetup.CreateLogger(Configuration("""{"Serilog":{"MinimumLevel":"Debug"}}"""))) log.Debug("this too");
        Assert.That(error.ToString(), Does.Contain("this too"));
    }

    // As the README of Serilog.Sinks.Seq has it, its Using included, which is not needed and does no harm.
    [TestCase("")]
    [TestCase("\"Using\":[\"Serilog.Sinks.Seq\"],")]
    public void Log_SeqConfigured_SendsThereWithTheKeyAndTheProperties(string @using)
    {
        using var server = new SeqServer(SeqServer.FreePort());
        var json = $$$"""
            {"Serilog":{{{{@using}}}"MinimumLevel":{"Default":"Information","Override":{"Noisy":"Error"}},"Properties":{"Application":"vmrepl"},
             "WriteTo":[{"Name":"Seq","Args":{"serverUrl":"{{{server.Url}}}","apiKey":"none-of-yours","period":"00:00:00.050","restrictedToMinimumLevel":"Warning"}}]}}
            """;
        using (var log = LoggingSetup.CreateLogger(Configuration(json)))
        {
            log.Information("below the sink's level");
            log.ForContext(Serilog.Core.Constants.SourceContextPropertyName, "Noisy").Warning("below the source's level");
            log.Warning("Replica {Replica} is away", "r1");
        }

        Assert.That(server.Requests.Select(request => request.ApiKey), Is.All.EqualTo("none-of-yours"));
        var single = server.Events.Single();
        Assert.That(single.GetProperty("Replica").GetString(), Is.EqualTo("r1"));
        Assert.That(single.GetProperty("Application").GetString(), Is.EqualTo("vmrepl"));
        Assert.That(error.ToString() + output, Is.Empty, "a configured log replaces the default, and nothing is wrong");
    }

    [Test]
    public void Log_ConsoleAndFileConfigured_GoesToBoth()
    {
        var file = Path.Combine(Path.GetTempPath(), $"vmrepl-log-{Guid.NewGuid():N}.txt");
        try
        {
            using (var log = LoggingSetup.CreateLogger(Configuration($$$"""{"Serilog":{"WriteTo":[{"Name":"Console"},{"Name":"File","Args":{"path":"{{{file}}}"}}]}}"""))) log.Information("to both");
            Assert.That(output.ToString(), Does.Contain("to both"));
            Assert.That(File.ReadAllText(file), Does.Contain("to both"));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Test]
    public void Log_AddressThatIsNone_SaysSoInOneSentence() =>
        Assert.That(
            () => LoggingSetup.CreateLogger(Configuration("""{"Serilog":{"WriteTo":[{"Name":"Seq","Args":{"serverUrl":"nowhere"}}]}}""")),
            Throws.InvalidOperationException.With.Message.Contains("serverUrl").And.Message.Contains("Serilog"));

    [Test]
    public void Log_SinkThatIsNotThere_SaysSoOnStandardError()
    {
        using (LoggingSetup.CreateLogger(Configuration("""{"Serilog":{"WriteTo":[{"Name":"Sec"}]}}""")))
            Assert.That(error.ToString(), Does.Contain("Sec"));
    }

    [Test]
    public void Host_WithTheLog_SendsWhatIsLeftWhenDisposed()
    {
        using var server = new SeqServer(SeqServer.FreePort());
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        var json = $$$"""{"Serilog":{"WriteTo":[{"Name":"Seq","Args":{"serverUrl":"{{{server.Url}}}"}}]}}""";
        builder.Logging.AddVmReplLogging(Configuration(json));
#pragma warning disable CA1848, CA1873 // The plain call is what is tried here.
        using (var host = builder.Build())
            host.Services.GetRequiredService<ILogger<LoggingSetupTests>>().LogInformation("From {Where}", "the host");
#pragma warning restore CA1848, CA1873
        var single = server.Events.Single();
        Assert.That(single.GetProperty("Where").GetString(), Is.EqualTo("the host"));
        Assert.That(single.GetProperty("SourceContext").GetString(), Does.EndWith(nameof(LoggingSetupTests)));
    }

    private static IConfiguration Configuration(string json) => new ConfigurationBuilder().AddJsonStream(new MemoryStream(Encoding.UTF8.GetBytes(json))).Build();
}
