using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace VmRepl.Nbd.Tests.Server;

/// <summary>Keeps what a server logs.</summary>
internal sealed class LogLines : ILogger
{
    private readonly ConcurrentQueue<(LogLevel Level, string Text)> lines = new();

    public IReadOnlyList<string> Warnings => [.. lines.Where(l => l.Level >= LogLevel.Warning).Select(l => l.Text)];

    public IReadOnlyList<string> Faults => [.. lines.Where(l => l.Level >= LogLevel.Error).Select(l => l.Text)];

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => lines.Enqueue((logLevel, formatter(state, exception) + (exception is null ? "" : $" {exception}")));
}
