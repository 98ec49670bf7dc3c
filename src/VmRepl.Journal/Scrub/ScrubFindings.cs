using VmRepl.Journal.Points;

namespace VmRepl.Journal.Scrub;

/// <summary>What a scrub has found so far. What is counted has no bound; what is kept of it has.</summary>
internal sealed class ScrubFindings(Action<ScrubProgress>? progress, long totalBytes)
{
    private readonly List<ScrubDamage> damage = [];
    private long doneBytes;

    public long RegionsVerified { get; set; }

    public long RegionsNew { get; set; }

    public long RegionsUnverified { get; set; }

    public long DamageCount { get; private set; }

    public IReadOnlyList<ScrubDamage> Damage => damage;

    public void Add(string? disk, long offset, long length, string where, IReadOnlyList<RecoveryPoint> points)
    {
        DamageCount++;
        if (damage.Count < ScrubReport.DamageMax)
            damage.Add(new ScrubDamage(disk, offset / Blocks.Sectors.Size, (length + Blocks.Sectors.Size - 1) / Blocks.Sectors.Size, where, points.Count, [.. points.Take(ScrubDamage.PointsMax)]));
    }

    public void Advance(long bytes)
    {
        doneBytes += bytes;
        progress?.Invoke(new ScrubProgress(totalBytes, doneBytes));
    }
}
