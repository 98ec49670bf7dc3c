using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Client;

/// <summary>A request that was sent and is not answered to its end.</summary>
internal sealed class PendingRequest(NbdCommand command, long offset, int length) : IDisposable
{
    private readonly ManualResetEventSlim done = new();

    public NbdCommand Command => command;

    public long Offset => offset;

    public int Length => length;

    /// <summary>Where a read's contents go; null for other requests.</summary>
    public byte[]? Contents { get; init; }

    /// <summary>Bytes of it that came so far.</summary>
    public int Received { get; set; }

    /// <summary>What came of a block status, by context.</summary>
    public Dictionary<uint, List<NbdExtent>> Status { get; } = [];

    /// <summary>Set once: the server's error, or what broke the connection.</summary>
    public Exception? Failure { get; set; }

    public void Finish() => done.Set();

    public bool Wait(TimeSpan limit) => done.Wait(limit);

    public void Dispose() => done.Dispose();
}
