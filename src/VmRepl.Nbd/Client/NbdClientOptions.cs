using System.Net.Security;

namespace VmRepl.Nbd.Client;

/// <summary>How a client connects and how long it waits.</summary>
public sealed record NbdClientOptions
{
    internal const int ContextBytesMax = 1024;

    /// <summary>Block-status contexts to ask for beside <c>base:allocation</c>, which is always asked for. A name that ends in a colon asks for all that begin with it. At most 32, of at most 1024 bytes each.</summary>
    public IReadOnlyList<string> Contexts { get; init; } = [];

    /// <summary>With these, TLS is begun before anything else, and a server without it is refused; null: no TLS. The caller sets the host name to be verified.</summary>
    public SslClientAuthenticationOptions? Tls { get; init; }

    /// <summary>How long the connection itself may take, its name's resolution included. 1 ms to 1 h.</summary>
    public TimeSpan ConnectMax { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long everything from there to the open export may take. 1 ms to 1 h.</summary>
    public TimeSpan NegotiationMax { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How long one request may take until its answer is there, the wait for its turn included; a call that needs several requests has it for each. 1 ms to 1 h.
    /// A server that passes it is taken for dead: the connection ends. One that takes a request's bytes in drops can stretch it to twice the time.
    /// </summary>
    public TimeSpan RequestMax { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Most requests on the way at a time; further calls wait for their turn. 1 to 1024.</summary>
    public int RequestsMax { get; init; } = 64;

    /// <exception cref="ArgumentOutOfRangeException">An option lies outside its range.</exception>
    internal void Check()
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Contexts.Count, 32);
        foreach (var name in Contexts) ArgumentOutOfRangeException.ThrowIfGreaterThan(System.Text.Encoding.UTF8.GetByteCount(name), ContextBytesMax, nameof(Contexts));
        ArgumentOutOfRangeException.ThrowIfLessThan(RequestsMax, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(RequestsMax, 1024);
        foreach (var time in (TimeSpan[])[ConnectMax, NegotiationMax, RequestMax])
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(time, TimeSpan.FromMilliseconds(1));
            ArgumentOutOfRangeException.ThrowIfGreaterThan(time, TimeSpan.FromHours(1));
        }
    }
}
