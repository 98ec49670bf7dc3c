namespace VmRepl.Images.Vmdk;

/// <summary>
/// Where grains lie in a file, to find two that overlap. Every writer puts its grains at multiples of a grain from the first one on: then a bit for each grain's worth of file says it all. Those that are out of
/// step with the first are kept one by one, and there may not be many.
/// </summary>
/// <param name="grainSectors">Sectors of a grain.</param>
/// <param name="fileSectors">Sectors of the file, rounded up.</param>
internal sealed class GrainStarts(int grainSectors, long fileSectors)
{
    private const int OddMax = 1 << 18;

    private readonly ulong[] taken = new ulong[(fileSectors / grainSectors / 64) + 1];
    private readonly Dictionary<long, uint> odd = [];
    private long step = -1;

    /// <summary>Takes a grain that lies inside the file; says what is wrong with its place, or null.</summary>
    public string? Add(uint sector)
    {
        var (unit, inUnit) = Math.DivRem((long)sector, grainSectors);
        if (step < 0) step = inUnit;
        for (var near = Math.Max(0, unit - 1); near <= unit + 1; near++)
        {
            var isOver = (IsTaken(near) && Math.Abs((near * grainSectors) + step - sector) < grainSectors) || (odd.Count > 0 && odd.TryGetValue(near, out var other) && Math.Abs((long)other - sector) < grainSectors);
            if (isOver) return "overlaps another grain";
        }

        if (inUnit == step) taken[unit / 64] |= 1UL << (int)(unit % 64);
        else if (odd.Count >= OddMax) return "is one of too many that are out of step with the others to look for overlaps";
        else odd[unit] = sector;
        return null;
    }

    private bool IsTaken(long unit) => unit / 64 < taken.Length && (taken[unit / 64] >> (int)(unit % 64) & 1) != 0;
}
