using VmRepl.Blocks;

namespace VmRepl.Journal.Index;

/// <summary>
/// For regions of one disk the sequence of the newest record that touches them, in bounded memory. A record is noted before it is applied to the live image, so whoever read the live image and finds nothing newer here
/// has read nothing newer. Noted under the journal's index lock, read without it.
/// </summary>
internal sealed class NewestTouches
{
    /// <summary>Not known since the journal was opened: the layers say it.</summary>
    public const ulong Unknown = ulong.MaxValue;

    private const int RegionsMax = 1 << 16;
    private const long RegionBytesMin = 64 << 10;

    private const int ChunkBits = 9;
    private const int ChunkRegions = 1 << ChunkBits;

    // Chunks are made when something in them is noted; until then all of one is what nothing was noted of.
    private readonly ulong[]?[] chunks;
    private readonly int shift;
    private ulong unnoted;

    /// <param name="diskBytes">Length of the disk.</param>
    public NewestTouches(long diskBytes)
    {
        var regionBytes = RegionBytesMin;
        while ((diskBytes + regionBytes - 1) / regionBytes > RegionsMax) regionBytes *= 2;
        shift = System.Numerics.BitOperations.Log2((ulong)regionBytes);
        chunks = new ulong[]?[(((diskBytes + regionBytes - 1) / regionBytes) + ChunkRegions - 1) / ChunkRegions];
    }

    public long RegionBytes => 1L << shift;

    /// <summary>Bytes of memory.</summary>
    public long Bytes { get; private set; }

    /// <summary>Nothing is known of any region. Before anything is noted.</summary>
    public void Forget() => unnoted = Unknown;

    public void Note(Extent extent, ulong sequence)
    {
        for (var region = extent.Offset >> shift; region <= (extent.End - 1) >> shift; region++) Learn(region, sequence);
    }

    /// <summary>Whether nothing of the range was touched after <paramref name="point"/>. False where it was, may have been, or is not known.</summary>
    public bool IsUntouchedAfter(Extent range, ulong point)
    {
        for (var region = range.Offset >> shift; region <= (range.End - 1) >> shift; region++)
        {
            if (OfRegion(region) > point) return false;
        }

        return true;
    }

    /// <summary>The newest sequence noted of the regions of a range. As long as it stays, nothing touched them.</summary>
    public ulong Stamp(Extent range)
    {
        ulong newest = 0;
        for (var region = range.Offset >> shift; region <= (range.End - 1) >> shift; region++) newest = Math.Max(newest, OfRegion(region));
        return newest;
    }

    /// <summary>The newest sequence noted of a region; <see cref="Unknown"/> where none is known.</summary>
    public ulong OfRegion(long region) =>
        Volatile.Read(ref chunks[region >> ChunkBits]) is { } chunk ? Volatile.Read(ref chunk[region & (ChunkRegions - 1)]) : unnoted;

    /// <summary>Lets the processor fetch what is noted of a byte's region.</summary>
    public void Prefetch(long offset)
    {
        var region = offset >> shift;
        if (region >= 0 && region >> ChunkBits < chunks.Length && chunks[region >> ChunkBits] is { } chunk) CacheLine.Prefetch(ref chunk[region & (ChunkRegions - 1)]);
    }

    /// <summary>The regions of the range of which nothing is known.</summary>
    public IEnumerable<(long Region, Extent Extent)> UnknownIn(Extent range)
    {
        for (var region = range.Offset >> shift; region <= (range.End - 1) >> shift; region++)
        {
            if (OfRegion(region) == Unknown) yield return (region, new Extent(region << shift, RegionBytes));
        }
    }

    /// <summary>Notes what the layers say of a region.</summary>
    public void Learn(long region, ulong sequence)
    {
        var chunk = chunks[region >> ChunkBits];
        if (chunk is null)
        {
            chunk = new ulong[ChunkRegions];
            Array.Fill(chunk, unnoted);
            Bytes += ChunkRegions * sizeof(ulong);
            Volatile.Write(ref chunks[region >> ChunkBits], chunk);
        }

        Volatile.Write(ref chunk[region & (ChunkRegions - 1)], sequence);
    }
}
