namespace VmRepl.Journal.Store;

/// <summary>What a store takes from outside: limits, clock, randomness.</summary>
public sealed record StoreSettings
{
    public JournalOptions Journal { get; init; } = new();

    /// <summary>Most bytes of memory that the indexes of all groups of the store take together, from 1 MiB. Only what has to be there anyway goes beyond it. Default 64 MiB.</summary>
    public long IndexMemoryBytes { get; init; } = 64L << 20;

    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Told what the administrator should know: a group's name and one sentence.</summary>
    public Action<string, string>? Notice { get; init; }

    public required Func<Guid> NewGuid { get; init; }
}
