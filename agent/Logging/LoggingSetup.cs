using System.Globalization;
using System.Reflection;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Serilog;
using Serilog.Core;
using Serilog.Debugging;
using Serilog.Events;
using Serilog.Settings.Configuration;

namespace VmRepl.Agent.Logging;

/// <summary>Builds the log from the section <c>Serilog</c> of the configuration, as Serilog.Settings.Configuration reads it.</summary>
public static class LoggingSetup
{
    private const string Section = "Serilog";

    /// <summary>
    /// The log as configured. Without <c>Serilog:WriteTo</c>, lines on standard error: standard output belongs to what a command reports.
    /// The sinks that can be named are <c>Console</c>, <c>File</c> and <c>Seq</c>; no <c>Using</c> is needed. Dispose it to send what is left.
    /// </summary>
    /// <exception cref="InvalidOperationException">A value in the section cannot be used; the message says which and why.</exception>
    public static Logger CreateLogger(IConfiguration configuration)
    {
        // What a sink has to say about itself (Seq away, a file that cannot be written) cannot go through the sinks.
        SelfLog.Enable(static line => Console.Error.WriteLine(line));
        // Named in code: the reader then searches nothing, and a configuration needs no Using.
        var readerOptions = new ConfigurationReaderOptions(
            typeof(SeqLoggerConfigurationExtensions).Assembly,
            typeof(ConsoleLoggerConfigurationExtensions).Assembly,
            typeof(FileLoggerConfigurationExtensions).Assembly);
        var logger = new LoggerConfiguration()
            .MinimumLevel.Information()
            .MinimumLevel.Override("Microsoft", LogEventLevel.Warning)
            .Enrich.FromLogContext();
        try
        {
            logger.ReadFrom.Configuration(configuration, readerOptions);
        }
        catch (TargetInvocationException cause) when (cause.InnerException is { } reason)
        {
            // The reader calls a sink's method by reflection; what the method said is what helps.
            throw new InvalidOperationException($"The log cannot be set up as the configuration's section {Section} says: {reason.Message}", reason);
        }

        if (!configuration.GetSection($"{Section}:WriteTo").Exists())
            logger.WriteTo.Console(standardErrorFromLevel: LevelAlias.Minimum, formatProvider: CultureInfo.InvariantCulture);
        return logger.CreateLogger();
    }

    /// <summary>Makes the configured log the only one of the host; it is flushed when the host is disposed.</summary>
    public static ILoggingBuilder AddVmReplLogging(this ILoggingBuilder logging, IConfiguration configuration) =>
        logging.ClearProviders().AddSerilog(CreateLogger(configuration), dispose: true);
}
