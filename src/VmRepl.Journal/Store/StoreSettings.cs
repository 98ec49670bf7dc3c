namespace VmRepl.Journal.Store;

/// <summary>What a store takes from outside: limits, clock, randomness.</summary>
public sealed record StoreSettings
{
    public JournalOptions Journal { get; init; } = new();

    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Told what the administrator should know: a group's name and one sentence.</summary>
    public Action<string, string>? Notice { get; init; }

    public required Func<Guid> NewGuid { get; init; }
}
