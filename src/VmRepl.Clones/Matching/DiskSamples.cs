using System.Security.Cryptography;
using VmRepl.Blocks;

namespace VmRepl.Clones.Matching;

/// <summary>
/// Some blocks of a disk, spread evenly over what it has data in, to find out which other disk it is a copy of: disks' blocks do not move, so what is at the same place is compared. Blocks of zeros say nothing and are left out.
/// </summary>
public sealed class DiskSamples
{
    /// <summary>Most blocks that are compared, and bytes of each.</summary>
    public const int CountMax = 256, BlockBytes = 64 << 10;

    // A raw file may be allocated throughout and hold little: so many blocks are looked at to find those that hold something.
    private const int LooksMax = 4 * CountMax;

    private readonly List<(long Offset, byte[] Digest)> blocks = [];

    private DiskSamples()
    {
    }

    public int Count => blocks.Count;

    /// <summary>Reads at most 64 MiB, and the disk's map twice.</summary>
    /// <exception cref="VmRepl.Images.ImageFormatException">The image is damaged.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static DiskSamples Of(IBlockDevice disk)
    {
        var samples = new DiskSamples();
        var total = DataBlocks(disk).Sum(r => r.Last - r.First + 1);
        var looks = Places(disk, total);
        var contents = new byte[BlockBytes];
        // Every fourth place first: where there is data in all of them, they are spread over the whole disk.
        foreach (var offset in Enumerable.Range(0, LooksMax / CountMax).SelectMany(phase => looks.Where((_, i) => i % (LooksMax / CountMax) == phase)))
        {
            if (samples.blocks.Count == CountMax) break;
            var block = contents.AsSpan(0, (int)Math.Min(BlockBytes, disk.Length - offset));
            disk.Read(offset, block);
            if (!Sectors.IsZero(block)) samples.blocks.Add((offset, SHA256.HashData(block)));
        }

        samples.blocks.Sort((a, b) => a.Offset.CompareTo(b.Offset));
        return samples;
    }

    /// <summary>How many of the blocks another disk has at the same places. The last one of a disk that is cut within a block counts where the other is cut there as well.</summary>
    /// <exception cref="VmRepl.Images.ImageFormatException">Its image is damaged.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public int CountEqual(IBlockDevice other)
    {
        var contents = new byte[BlockBytes];
        var equal = 0;
        foreach (var (offset, digest) in blocks)
        {
            if (offset >= other.Length) break;
            var block = contents.AsSpan(0, (int)Math.Min(BlockBytes, other.Length - offset));
            other.Read(offset, block);
            if (SHA256.HashData(block).AsSpan().SequenceEqual(digest)) equal++;
        }

        return equal;
    }

    /// <summary>Offsets of at most <see cref="LooksMax"/> blocks, ascending.</summary>
    private static List<long> Places(IBlockDevice disk, long total)
    {
        var places = new List<long>();
        var count = Math.Min(LooksMax, total);
        long before = 0;
        foreach (var (first, last) in DataBlocks(disk))
        {
            // The number k of count places is that of the data block k * total / count.
            while (places.Count < count && (long)((Int128)places.Count * total / count) is var next && next - before <= last - first) places.Add((first + next - before) * BlockBytes);
            if (places.Count == count) break;
            before += last - first + 1;
        }

        return places;
    }

    /// <summary>The blocks that hold data, as runs of their numbers; each once.</summary>
    private static IEnumerable<(long First, long Last)> DataBlocks(IBlockDevice disk)
    {
        long next = 0;
        foreach (var run in disk.Map(0, disk.Length))
        {
            if (!run.HasData) continue;
            var (first, last) = (Math.Max(next, run.Offset / BlockBytes), (run.Offset + run.Length - 1) / BlockBytes);
            if (last < first) continue;
            yield return (first, last);
            next = last + 1;
        }
    }
}
