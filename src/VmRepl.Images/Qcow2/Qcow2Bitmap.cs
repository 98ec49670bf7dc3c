using System.Numerics;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Images.Changes;

namespace VmRepl.Images.Qcow2;

/// <summary>
/// A persistent dirty bitmap (specification, "Bitmaps"): one bit for each granule of the disk, least significant first, 1 where it was written. It is kept in clusters that
/// a table names ("Bitmap table"): an entry has an offset in bits 9 to 55, or none and in bit 0 what all its bits are.
/// </summary>
/// <param name="file">The image; not owned.</param>
/// <param name="header">The image's.</param>
/// <param name="place">Where its table is, as its directory entry says.</param>
internal sealed class Qcow2Bitmap(IHostFile file, Qcow2Header header, Qcow2BitmapPlace place) : IChangeTrack
{
    /// <summary>Table entries that are read at once.</summary>
    private const int TablePiece = 8192;

    private const ulong AllOnes = 1;

    public string Name => place.Name;

    public ChangeTrackKind Kind => ChangeTrackKind.Bitmap;

    public required ChangeTrackState State { get; init; }

    public required string? Problem { get; init; }

    public long? Granularity => place.GranularityBits < 63 ? 1L << place.GranularityBits : null;

    public IEnumerable<Extent> Changes()
    {
        if (Problem is { } problem) throw ImageFormatException.Mismatch(file.Path, place.EntryOffset, $"bitmap \"{Name}\"", "one that tells what changed", $"one that does not: {problem}");
        return Granules().Select(g => Clip(g.First, g.End));
    }

    /// <summary>Runs of set bits.</summary>
    private IEnumerable<(long First, long End)> Granules()
    {
        var bits = ((header.Size - 1) >> place.GranularityBits) + 1;
        var bitsPerCluster = header.ClusterSize * 8L;
        var bytes = new byte[header.ClusterSize];
        long open = -1;
        for (long piece = 0; piece < place.TableEntries; piece += TablePiece)
        {
            var at = place.TableOffset + (piece * sizeof(ulong));
            var table = file.ReadNumbers(at, (int)Math.Min(TablePiece, place.TableEntries - piece), "bitmap table");
            for (var i = 0; i < table.Length; i++)
            {
                var first = (piece + i) * bitsPerCluster;
                var count = (int)Math.Min(bitsPerCluster, bits - first);
                var uniform = Load(table[i], at + (i * sizeof(ulong)), bytes, (count + 7) / 8);
                for (var bit = 0; bit < count;)
                {
                    var (isSet, length) = uniform is { } all ? (all, count) : Run(bytes, bit, count);
                    if (isSet && open < 0) open = first + bit;
                    if (!isSet && open >= 0)
                    {
                        yield return (open, first + bit);
                        open = -1;
                    }

                    bit += length;
                }
            }
        }

        if (open >= 0) yield return (open, bits);
    }

    /// <summary>Reads the cluster of a table entry; gives what all of its bits are where it has none.</summary>
    private bool? Load(ulong entry, long at, byte[] bytes, int needed)
    {
        var host = (long)(entry & Qcow2Layout.OffsetMask);
        if ((entry & ~(Qcow2Layout.OffsetMask | AllOnes)) != 0 || (host != 0 && (entry & AllOnes) != 0) || !Sectors.IsAligned(host, header.ClusterSize))
            throw ImageFormatException.Mismatch(file.Path, at, "bitmap table entry", "the place of a cluster, 0 (all zeros) or 1 (all ones)", $"0x{entry:x16} in \"{Name}\"");
        if (host == 0) return entry == AllOnes;
        file.ReadField(host, bytes.AsSpan(0, needed), "bitmap data");
        return null;
    }

    /// <summary>How many bits from <paramref name="bit"/> on are alike.</summary>
    private static (bool IsSet, int Length) Run(byte[] bytes, int bit, int count)
    {
        var isSet = (bytes[bit >> 3] >> (bit & 7) & 1) != 0;
        var end = bit;
        while (end < count)
        {
            // The byte's remaining bits, with those that are alike as zeros.
            var rest = (uint)(isSet ? (byte)~bytes[end >> 3] : bytes[end >> 3]) >> (end & 7);
            var alike = rest == 0 ? 8 - (end & 7) : BitOperations.TrailingZeroCount(rest);
            end += alike;
            if (rest != 0) break;
            if ((end & 7) == 0 && end < count)
            {
                var next = bytes.AsSpan(end >> 3, ((count + 7) >> 3) - (end >> 3)).IndexOfAnyExcept(isSet ? (byte)0xFF : (byte)0);
                end = next < 0 ? count : end + (next * 8);
            }
        }

        return (isSet, Math.Min(end, count) - bit);
    }

    private Extent Clip(long first, long end) =>
        Extent.FromEnds(first << place.GranularityBits, Math.Min(end << place.GranularityBits, header.DiskLength));
}
