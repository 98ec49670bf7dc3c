namespace VmRepl.Simulation.System;

/// <summary>What happened in a world, as one number: two runs of a seed that differ anywhere differ here.</summary>
internal sealed class EventLog
{
    private const ulong Prime = 0x100000001B3;

    public ulong Digest { get; private set; } = 0xCBF29CE484222325;

    /// <summary>Told each line, for a person who looks at one seed.</summary>
    public Action<string>? Trace { get; init; }

    public void Add(ulong value)
    {
        for (var i = 0; i < 8; i++) Digest = (Digest ^ (byte)(value >> (8 * i))) * Prime;
    }

    public void Add(string line)
    {
        foreach (var character in line) Digest = (Digest ^ character) * Prime;
        Trace?.Invoke(line);
    }
}
