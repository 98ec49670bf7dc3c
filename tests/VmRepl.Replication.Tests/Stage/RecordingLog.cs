using Microsoft.Extensions.Logging;

namespace VmRepl.Replication.Tests.Stage;

/// <summary>Keeps what was logged as an error.</summary>
internal sealed class RecordingLog : ILogger
{
    private readonly Lock gate = new();
    private readonly List<string> errors = [];

    public IReadOnlyList<string> Errors
    {
        get
        {
            lock (gate) return [.. errors];
        }
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Error;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!IsEnabled(logLevel)) return;
        lock (gate) errors.Add(formatter(state, exception));
    }
}
