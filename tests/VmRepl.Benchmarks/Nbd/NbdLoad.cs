namespace VmRepl.Benchmarks.Nbd;

/// <summary>One pattern of requests.</summary>
/// <param name="Pattern">As fio calls it.</param>
internal sealed record NbdLoad(string Pattern, string BlockSize, int Depth)
{
    public override string ToString() => $"{Pattern} {BlockSize}, depth {Depth}";

    public static readonly NbdLoad[] All =
    [
        new("randread", "4k", 1), new("randread", "4k", 16), new("randread", "4k", 64),
        new("randwrite", "4k", 1), new("randwrite", "4k", 16), new("randwrite", "4k", 64),
        new("read", "1m", 4), new("write", "1m", 4),
    ];
}
