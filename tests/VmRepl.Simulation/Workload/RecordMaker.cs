using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using VmRepl.Journal.Points;
using VmRepl.Protocol.Records;
using VmRepl.Simulation.Storage;

namespace VmRepl.Simulation.Workload;

/// <summary>The source: makes records in order, now and then with a hot region, never using a sequence twice.</summary>
internal sealed class RecordMaker(SeededRandom random, SimulatedClock clock, IReadOnlyList<int> diskBytes)
{
    public const int SectorBytes = 512;

    private const int WordsInSector = SectorBytes / sizeof(ulong);
    private const long LengthMax = 1 << 20;
    private const long PayloadMax = 512 << 10;

    private int names;
    private long newestTimeUs;

    /// <summary>Whether half of the writes are of one block of 4096 bytes.</summary>
    public bool WritesBlocks { get; init; }

    private long NowUs => newestTimeUs = Math.Max(newestTimeUs, clock.NowUs);

    public ulong Next { get; private set; } = (ulong)random.Between(1, 5000);

    /// <summary>Goes on behind a sequence that the replica gave out itself.</summary>
    /// <param name="timeUs">Its time: a source's never go back.</param>
    public void AdvanceBehind(ulong sequence, long timeUs)
    {
        Next = Math.Max(Next, sequence + 1);
        newestTimeUs = Math.Max(newestTimeUs, timeUs);
    }

    public void SkipSome() => Next += (ulong)random.Between(1, 100);

    public Record Fact(RecordKind kind, Dictionary<string, string>? attributes = null, byte[]? payload = null) => Record.Create(
        new RecordHeader { Kind = kind, Sequence = Next++, TimeUs = NowUs, Epoch = 1, Attributes = attributes }, payload ?? []);

    public Record Bookmark(ulong? point)
    {
        var attributes = new Dictionary<string, string> { [RecordAttribute.Name] = $"b{names++}", [RecordAttribute.Consistency] = "application" };
        if (point is { } p) attributes[RecordAttribute.Point] = p.ToString(CultureInfo.InvariantCulture);
        return Fact(RecordKind.Bookmark, attributes);
    }

    public Record Metadata()
    {
        byte[] value = [];
        if (random.Chance(0.75)) random.Fill(value = new byte[random.Between(1, 9000)]);
        return Fact(RecordKind.Metadata, new Dictionary<string, string> { [RecordAttribute.Key] = $"k{random.Between(0, 3)}" }, value);
    }

    public Record Contents()
    {
        var disk = (int)random.Between(0, diskBytes.Count - 1);
        if (WritesBlocks && random.Chance(0.5)) return Contents(RecordKind.Write, (uint)disk + 1, random.Between(0, (diskBytes[disk] / Oracle.BlockBytes) - 1) * Oracle.BlockBytes, Oracle.BlockBytes);
        var isWrite = random.Chance(0.8);
        var limit = Math.Min(diskBytes[disk], isWrite ? PayloadMax : LengthMax);
        var length = Math.Min(limit, SectorBytes * random.Between(1, 1L << (int)random.Between(0, random.Chance(0.2) ? 11 : 8)));
        if (random.Chance(0.3)) length = Math.Min(limit, ((length / 4096) + 1) * 4096);
        // Four of five go to an eighth of the disk, so that some sectors are written over and over while others are left for long.
        var span = random.Chance(0.8) ? Math.Max(length, diskBytes[disk] / 8) : diskBytes[disk];
        var unit = random.Chance(0.5) ? 4096 : SectorBytes;
        var offset = random.Between(0, (span - length) / unit) * unit;
        return Contents(isWrite ? RecordKind.Write : random.Chance(0.5) ? RecordKind.Punch : RecordKind.Zero, (uint)disk + 1, offset, length);
    }

    public Record Contents(RecordKind kind, uint disk, long offset, long length)
    {
        var payload = kind == RecordKind.Write ? Payload(Next, length, random.Chance(0.05)) : [];
        return Record.Create(new RecordHeader { Kind = kind, Sequence = Next++, TimeUs = NowUs, Epoch = 1, Disk = disk, Offset = offset, Length = length }, payload);
    }

    /// <summary>Each sector says which record wrote it and which sector of it it is.</summary>
    public static byte[] Payload(ulong sequence, long length, bool isZero)
    {
        var payload = new byte[length];
        if (isZero) return payload;
        var words = MemoryMarshal.Cast<byte, ulong>(payload.AsSpan());
        for (var sector = 0; sector < length / SectorBytes; sector++) words.Slice(sector * WordsInSector, WordsInSector).Fill(Stamp(sequence, sector));
        return payload;
    }

    /// <summary>The contents that these stamps stand for.</summary>
    public static byte[] Payload(ReadOnlySpan<ulong> stamps)
    {
        var payload = new byte[stamps.Length * SectorBytes];
        var words = MemoryMarshal.Cast<byte, ulong>(payload.AsSpan());
        for (var sector = 0; sector < stamps.Length; sector++) words.Slice(sector * WordsInSector, WordsInSector).Fill(stamps[sector]);
        return payload;
    }

    public static ulong Stamp(ulong sequence, int sector) => BinaryPrimitives.ReverseEndianness((sequence << 16) + (ulong)sector + 1);

    /// <summary>A piece of a disk as it is to be.</summary>
    public Record Contents(uint disk, long offset, byte[] payload) => Record.Create(
        new RecordHeader { Kind = RecordKind.Write, Sequence = Next++, TimeUs = NowUs, Epoch = 1, Disk = disk, Offset = offset, Length = payload.Length }, payload);

    public Record Metadata(string key, byte[] value) => Fact(RecordKind.Metadata, new Dictionary<string, string> { [RecordAttribute.Key] = key }, value);
}
