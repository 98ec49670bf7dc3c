using Microsoft.Extensions.Logging;

namespace VmRepl.Simulation.System;

/// <summary>What the product logs, with the world's time before it, for a person who looks at one seed.</summary>
internal sealed class TraceLogger(SimulatedTime time, Action<string> write) : ILogger
{
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => write($"{time.Elapsed}   {formatter(state, exception)}");
}
