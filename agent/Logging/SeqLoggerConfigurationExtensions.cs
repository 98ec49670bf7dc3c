using Serilog;
using Serilog.Configuration;
using Serilog.Core;
using Serilog.Events;

namespace VmRepl.Agent.Logging;

/// <summary>
/// Adds <c>WriteTo.Seq()</c>, with the names that Serilog.Sinks.Seq gives, so that a configuration written for that package means the same here.
/// Its buffer on disk is not offered: what Seq has not taken is kept in memory, within bounds.
/// </summary>
public static class SeqLoggerConfigurationExtensions
{
    /// <summary>Sends events in batches, as CLEF, to a Seq server. The caller of the log never waits for it.</summary>
    /// <param name="loggerSinkConfiguration">What the sink is added to.</param>
    /// <param name="serverUrl">Where Seq listens, such as <c>http://seq.example:5341</c>; http or https.</param>
    /// <param name="restrictedToMinimumLevel">Events below this level are not sent.</param>
    /// <param name="batchPostingLimit">Events in one request, at least 1.</param>
    /// <param name="period">How long events may wait for others to go with them; 2 s unless told.</param>
    /// <param name="apiKey">Sent as <c>X-Seq-ApiKey</c>.</param>
    /// <param name="eventBodyLimitBytes">A longer event is replaced by one line that says so. 256 KiB unless told.</param>
    /// <param name="messageHandler">What carries the requests, in place of the base library's.</param>
    /// <param name="queueSizeLimit">Events kept while Seq is away, at least 1; later ones are dropped and counted, and the count is sent once Seq is back.</param>
    /// <exception cref="ArgumentException">The address is not http or https, or a limit is out of range.</exception>
    public static LoggerConfiguration Seq(
        this LoggerSinkConfiguration loggerSinkConfiguration,
        string serverUrl,
        LogEventLevel restrictedToMinimumLevel = LevelAlias.Minimum,
        int batchPostingLimit = SeqSinkOptions.DefaultBatchPostingLimit,
        TimeSpan? period = null,
        string? apiKey = null,
        long? eventBodyLimitBytes = SeqSinkOptions.DefaultEventBodyLimitBytes,
        HttpMessageHandler? messageHandler = null,
        int queueSizeLimit = SeqSinkOptions.DefaultQueueSizeLimit)
    {
        ArgumentNullException.ThrowIfNull(loggerSinkConfiguration);
        var options = new SeqSinkOptions
        {
            ServerUrl = serverUrl,
            ApiKey = apiKey,
            BatchPostingLimit = batchPostingLimit,
            Period = period ?? SeqSinkOptions.DefaultPeriod,
            EventBodyLimitBytes = eventBodyLimitBytes ?? SeqSinkOptions.MaxEventBodyLimitBytes,
            QueueSizeLimit = queueSizeLimit,
        };
        return loggerSinkConfiguration.Sink(new SeqSink(options, messageHandler), restrictedToMinimumLevel);
    }
}
