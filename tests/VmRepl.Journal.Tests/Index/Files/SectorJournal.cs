using VmRepl.Journal.Index;
using VmRepl.Journal.Index.Files;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Tests.Index.Files;

/// <summary>
/// A journal by the rule, sector by sector, in which the contents of a sector are the sequence that wrote it last: undo where a sector is touched for the first time in the range, hand-downs
/// before the oldest segment goes, an undo of several sectors as one record where they adjoin. It knows what each sector held at each sequence, and so what every layer of it must say.
/// </summary>
internal sealed class SectorJournal
{
    public const int Sectors = 40;
    public const int CommitsPerSegment = 6;

    private readonly Random random;
    private readonly long unit;
    private readonly List<(CommitPlace Place, uint Disk, RecordRef Record)> records = [];

    // What an undo or a hand-down holds, by where it stands.
    private readonly Dictionary<(ulong Serial, uint Header), Dictionary<long, ulong>> held = [];
    private uint nextHeader = 4096;

    /// <param name="random">Decides everything.</param>
    /// <param name="unit">Bytes of what stands for a sector; a multiple of 512.</param>
    /// <param name="commits">How many are made.</param>
    public SectorJournal(Random random, long unit, int commits)
    {
        (this.random, this.unit) = (random, unit);
        Bounds.Add(new MergeBounds(0, 1));
        for (var i = 0; i < commits; i++) Commit(new CommitPlace(1 + (ulong)(i / CommitsPerSegment), (uint)(i % CommitsPerSegment)));
    }

    public static uint[] Disks => [1, 3];

    public ulong Newest { get; private set; }

    /// <summary>Start and first needed segment after each retirement, from the first on; the last are the present ones.</summary>
    public List<MergeBounds> Bounds { get; } = [];

    public MergeBounds Present => Bounds[^1];

    public CommitPlace End { get; private set; }

    public long Unit => unit;

    /// <summary>What the sector held after the record of that sequence.</summary>
    public ulong ContentsAt(uint disk, long sector, ulong sequence) =>
        records.Where(r => r.Disk == disk && r.Record.IsVersion && r.Record.Number <= sequence && Holds(r.Record, sector)).Select(r => r.Record.Number).DefaultIfEmpty().Max();

    public bool IsTouchedAfter(uint disk, long sector, ulong sequence) => ContentsAt(disk, sector, Newest) > sequence;

    /// <summary>What a reader of that record gets for the sector.</summary>
    public ulong Read(RecordRef record, long sector) => record.IsVersion ? record.Number : held[(record.Serial, record.HeaderOffset)][sector];

    /// <summary>The layer of the records from one place to another, in runs cut wherever a record begins or ends.</summary>
    public ListLayer Layer(CommitPlace first, CommitPlace end)
    {
        var layer = new ListLayer(first, end);
        foreach (var disk in Disks)
        {
            var named = records.Where(r => r.Disk == disk && r.Place >= first && r.Place < end).Select(r => r.Record).ToList();
            var cuts = named.SelectMany(r => new[] { r.Offset, r.Offset + r.Length }).Distinct().Order().ToList();
            for (var i = 0; i + 1 < cuts.Count; i++)
            {
                var here = named.Where(r => r.Offset <= cuts[i] && r.Offset + r.Length >= cuts[i + 1]).ToList();
                if (here.Count == 0) continue;
                var undo = here.FindLastIndex(r => !r.IsVersion);
                layer.Append(disk, cuts[i], cuts[i + 1], [.. here.Where(r => r.IsVersion)], undo < 0 ? null : here[undo]);
            }
        }

        return layer;
    }

    private void Commit(CommitPlace place)
    {
        var batch = Enumerable.Range(1, random.Next(1, 4)).Select(i => Draft(place, Newest + (ulong)i)).ToList();
        if (place.Commit > 0 && place.Serial > Present.FirstNeeded + 1 && random.Next(3) == 0) Retire(place);
        foreach (var (disk, record) in batch)
        {
            // Contents before the batch, and each sector's first record of it: the ones before are in the list by then.
            var untouched = SectorsOf(record).Where(s => !InRange(disk, s)).ToDictionary(s => s, s => ContentsAt(disk, s, Newest));
            AddHeld(place, disk, RecordKind.Undo, record.Number, untouched);
            records.Add((place, disk, record with { HeaderOffset = nextHeader++ }));
        }

        Newest += (ulong)batch.Count;
        End = new CommitPlace(place.Serial, place.Commit + 1);
    }

    private (uint Disk, RecordRef Record) Draft(CommitPlace place, ulong number)
    {
        var from = random.Next(Sectors);
        var length = random.Next(6) == 0 ? random.Next(1, Sectors - from + 1) : random.Next(1, Math.Min(4, Sectors - from) + 1);
        var kind = unit * length <= RecordLimits.MaxPayloadBytes ? (RecordKind)random.Next(1, 4) : (RecordKind)random.Next(2, 4);
        return (Disks[random.Next(Disks.Length)], IndexSample.Reference(kind, number, from * unit, length * unit, place.Serial));
    }

    private void Retire(CommitPlace place)
    {
        var retired = Present.FirstNeeded;
        var start = Math.Max(Present.Start, records.Where(r => r.Place.Serial == retired && r.Record.IsVersion).Select(r => r.Record.Number).DefaultIfEmpty().Max());
        foreach (var disk in Disks)
        {
            var down = new Dictionary<long, ulong>();
            for (long sector = 0; sector < Sectors; sector++)
            {
                if (!IsTouchedAfter(disk, sector, start) || Source(disk, sector, start) is not { } source || source.Serial != retired) continue;
                down.Add(sector, ContentsAt(disk, sector, start));
            }

            AddHeld(place, disk, RecordKind.HandDown, start, down);
        }

        Bounds.Add(new MergeBounds(start, retired + 1));
    }

    /// <summary>Where the contents at the start of the range or later lie, by the records alone; null for the live image.</summary>
    private RecordRef? Source(uint disk, long sector, ulong point)
    {
        var here = records.Where(r => r.Disk == disk && Holds(r.Record, sector)).Select(r => r.Record).ToList();
        var version = here.FindLastIndex(r => r.IsVersion && r.Number <= point && r.Number > Present.Start);
        if (version >= 0) return here[version];
        var undo = here.FindLastIndex(r => r.Kind == RecordKind.Undo ? r.Number > Present.Start : r.Kind == RecordKind.HandDown);
        return undo < 0 ? null : here[undo];
    }

    private bool InRange(uint disk, long sector) => records.Any(r => r.Disk == disk && r.Record.IsVersion && r.Record.Number > Present.Start && Holds(r.Record, sector));

    private void AddHeld(CommitPlace place, uint disk, RecordKind kind, ulong number, Dictionary<long, ulong> contents)
    {
        foreach (var first in contents.Keys.Where(s => !contents.ContainsKey(s - 1)).Order())
        {
            var count = 1;
            while (contents.ContainsKey(first + count)) count++;
            var record = IndexSample.Reference(kind, number, first * unit, count * unit, place.Serial, nextHeader++, RecordContent.Hole);
            records.Add((place, disk, record));
            held.Add((record.Serial, record.HeaderOffset), Enumerable.Range(0, count).ToDictionary(i => first + i, i => contents[first + i]));
        }
    }

    private IEnumerable<long> SectorsOf(RecordRef record) => Enumerable.Range((int)(record.Offset / unit), (int)(record.Length / unit)).Select(s => (long)s);

    private bool Holds(RecordRef record, long sector) => record.Offset <= sector * unit && record.Offset + record.Length > sector * unit;
}
