namespace VmRepl.Replication.Source;

/// <summary>What a source has to remember of a group between rounds; the file <c>progress.json</c>. Replaced whole after each round.</summary>
public sealed record SourceProgress
{
    /// <summary>The store that the rest is about; another one starts from nothing.</summary>
    public Guid StoreId { get; init; }

    /// <summary>Newest sequence that the replica acknowledged as durable. A store that has less has lost something.</summary>
    public ulong Durable { get; init; }

    /// <summary>Newest source timestamp given, microseconds since 1970; the next is later, whatever the clock does.</summary>
    public long TimeUs { get; init; }

    /// <summary>SHA-256 of each metadata value that the replica has, by key.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>();

    /// <summary>The newest and the oldest recovery point known.</summary>
    public ulong PointSequence { get; init; }

    /// <inheritdoc cref="PointSequence"/>
    public long PointTimeUs { get; init; }

    /// <summary>The oldest point's time, microseconds since 1970; 0 before the first point.</summary>
    public long FirstPointTimeUs { get; init; }

    /// <summary>The newest point's bookmark.</summary>
    public string? Bookmark { get; init; }

    /// <summary>A round was asked for and has not ended: it is taken up again when the agent starts.</summary>
    public bool RoundIsOpen { get; init; }
}
