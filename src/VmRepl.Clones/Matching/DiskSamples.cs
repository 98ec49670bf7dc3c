using System.Buffers.Binary;
using System.Security.Cryptography;
using VmRepl.Blocks;

namespace VmRepl.Clones.Matching;

/// <summary>
/// Samples of a disk, spread evenly over what it has data in, to find out which other disk it is a copy of: disks' blocks do not move, so what is at the same place is compared. Samples of 64 KiB are read, and compared by blocks of 4 KiB:
/// where writes are scattered, hardly any longer piece stays as it was. Blocks of zeros say nothing and are left out.
/// </summary>
public sealed class DiskSamples
{
    /// <summary>Most samples that are compared, and bytes of each.</summary>
    public const int SamplesMax = 256, SampleBytes = 64 << 10;

    private const int BlockBytes = 4 << 10;

    // A raw file may be allocated throughout and hold little: so many samples are looked at to find those that hold something.
    private const int LooksMax = 4 * SamplesMax;

    private readonly List<(long Offset, UInt128[] Digests)> samples = [];

    // No block's digest: 2^-128 that one is.
    private static readonly UInt128 Zeros = UInt128.Zero;

    private DiskSamples()
    {
    }

    /// <summary>Blocks of 4 KiB in the samples that are not all zeros.</summary>
    public int Blocks { get; private set; }

    /// <summary>Reads at most 64 MiB, and the disk's map twice.</summary>
    /// <exception cref="VmRepl.Images.ImageFormatException">The image is damaged.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static DiskSamples Of(IBlockDevice disk)
    {
        var found = new DiskSamples();
        var total = DataPieces(disk).Sum(r => r.Last - r.First + 1);
        var looks = Places(disk, total);
        var contents = new byte[SampleBytes];
        // Every fourth place first: where there is data in all of them, they are spread over the whole disk.
        foreach (var offset in Enumerable.Range(0, LooksMax / SamplesMax).SelectMany(phase => looks.Where((_, i) => i % (LooksMax / SamplesMax) == phase)))
        {
            if (found.samples.Count == SamplesMax) break;
            var digests = Digests(disk, offset, contents);
            if (digests.Count(d => d != Zeros) is not (> 0 and var blocks)) continue;
            found.samples.Add((offset, digests));
            found.Blocks += blocks;
        }

        found.samples.Sort((a, b) => a.Offset.CompareTo(b.Offset));
        return found;
    }

    /// <summary>How many of the blocks another disk has at the same places.</summary>
    /// <exception cref="VmRepl.Images.ImageFormatException">Its image is damaged.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public int CountEqual(IBlockDevice other)
    {
        var contents = new byte[SampleBytes];
        var equal = 0;
        foreach (var (offset, digests) in samples)
        {
            if (offset >= other.Length) break;
            equal += Digests(other, offset, contents).Zip(digests).Count(d => d.First == d.Second && d.First != Zeros);
        }

        return equal;
    }

    /// <summary>Of the blocks of one sample; a block that the disk ends in goes on with zeros.</summary>
    private static UInt128[] Digests(IBlockDevice disk, long offset, byte[] contents)
    {
        var there = (int)Math.Min(SampleBytes, disk.Length - offset);
        disk.Read(offset, contents.AsSpan(0, there));
        contents.AsSpan(there).Clear();
        var digests = new UInt128[SampleBytes / BlockBytes];
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        for (var i = 0; i < digests.Length; i++)
        {
            var block = contents.AsSpan(i * BlockBytes, BlockBytes);
            if (Sectors.IsZero(block)) continue;
            SHA256.HashData(block, digest);
            digests[i] = BinaryPrimitives.ReadUInt128LittleEndian(digest);
        }

        return digests;
    }

    /// <summary>Offsets of at most <see cref="LooksMax"/> samples, ascending.</summary>
    private static List<long> Places(IBlockDevice disk, long total)
    {
        var places = new List<long>();
        var count = Math.Min(LooksMax, total);
        long before = 0;
        foreach (var (first, last) in DataPieces(disk))
        {
            // The place k of count is that of piece k * total / count of the data.
            while (places.Count < count && (long)((Int128)places.Count * total / count) is var next && next - before <= last - first) places.Add((first + next - before) * SampleBytes);
            if (places.Count == count) break;
            before += last - first + 1;
        }

        return places;
    }

    /// <summary>The pieces of a sample's length that hold data, as runs of their numbers; each once.</summary>
    private static IEnumerable<(long First, long Last)> DataPieces(IBlockDevice disk)
    {
        long next = 0;
        foreach (var run in disk.Map(0, disk.Length))
        {
            if (!run.HasData) continue;
            var (first, last) = (Math.Max(next, run.Offset / SampleBytes), (run.Offset + run.Length - 1) / SampleBytes);
            if (last < first) continue;
            yield return (first, last);
            next = last + 1;
        }
    }
}
