using System.Runtime.InteropServices;
using VmRepl.Protocol.Records;

namespace VmRepl.JournalDriver;

/// <summary>
/// Records that are a function of their sequence alone, so that whoever comes back after a kill goes on with the same ones, and whoever replays them needs nothing of what was stored.
/// Writes of 4 to 64 KiB, four of five on a twentieth of the disk, half of them on no boundary but the sector's; one record in 5 is a bookmark.
/// </summary>
public sealed class Workload(WorkloadShape shape)
{
    /// <summary>The baseline, of zeros, ends with this one.</summary>
    public const ulong BaselineEnd = 2;

    private const int SectorBytes = 512;
    private const int SectorsMin = 8, SectorsMax = 128;
    private const int RecordsPerBookmark = 5;

    public WorkloadShape Shape { get; } = shape;

    public ulong Last => BaselineEnd + (ulong)Shape.Records;

    public static bool IsBookmark(ulong sequence) => sequence % RecordsPerBookmark == 0;

    /// <summary>Where a write goes; nothing for a bookmark.</summary>
    public (long Offset, int Length) ExtentOf(ulong sequence)
    {
        if (IsBookmark(sequence)) return (0, 0);
        var dice = Mix(Shape.Seed + (sequence << 20));
        var sectors = SectorsMin + (int)(dice % (SectorsMax - SectorsMin + 1));
        dice = Mix(dice);
        var span = dice % 5 < 4 ? Math.Max(Shape.DiskBytes / 20 / SectorBytes, sectors) : Shape.DiskBytes / SectorBytes;
        dice = Mix(dice);
        var first = (long)(dice >> 1) % (span - sectors + 1);
        if ((dice & 1) == 0) first &= -SectorsMin;
        return (first * SectorBytes, sectors * SectorBytes);
    }

    /// <summary>What a write writes.</summary>
    public void Fill(ulong sequence, Span<byte> payload)
    {
        var words = MemoryMarshal.Cast<byte, ulong>(payload);
        var state = Mix(~Shape.Seed ^ (sequence << 24));
        for (var i = 0; i < words.Length; i++)
        {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            words[i] = state;
        }
    }

    public Record RecordAt(ulong sequence)
    {
        var header = new RecordHeader { Kind = RecordKind.Bookmark, Sequence = sequence, TimeUs = (long)sequence * 1000, Epoch = 1 };
        if (IsBookmark(sequence)) return Record.Create(header with { Attributes = new Dictionary<string, string> { ["name"] = $"p{sequence}" } }, default);
        var (offset, length) = ExtentOf(sequence);
        var payload = new byte[length];
        Fill(sequence, payload);
        return Record.Create(header with { Kind = RecordKind.Write, Disk = 1, Offset = offset, Length = length }, payload);
    }

    private static ulong Mix(ulong value)
    {
        value += 0x9E3779B97F4A7C15;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
