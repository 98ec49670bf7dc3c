using VmRepl.Blocks;
using VmRepl.Journal.Index;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Tests.Index;

/// <summary>A layered index, and beside it one list for each sector: the model that it has to agree with.</summary>
internal sealed class SectorHistories
{
    public const long DiskBytes = SectorCount * Sectors.Size;

    private const int SectorCount = 200;
    private const uint Disk = 1;

    private readonly List<RecordRef>[] versions = [.. Enumerable.Range(0, SectorCount).Select(_ => new List<RecordRef>())];
    private readonly RecordRef?[] undo = new RecordRef?[SectorCount];
    private readonly Dictionary<ulong, List<Extent>> touchedBySegment = [];
    private readonly Dictionary<ulong, ulong> lastSequence = [];
    private ulong sequence, start, first = 1, serial = 1;
    private uint commits, places;

    public SectorHistories(int seed)
    {
        Random = new Random(seed);
        Index.Retire(0, 1);
    }

    public Random Random { get; }

    public LayeredIndex Index { get; } = new(new CommitPlace(1, 0));

    public int Retirements { get; private set; }

    public int HandDowns { get; private set; }

    public void Write()
    {
        var extent = RandomExtent();
        var untouched = Index.Untouched(Disk, extent);
        Assert.That(untouched.SelectMany(SectorsOf), Is.EqualTo(SectorsOf(extent).Where(s => versions[s].Count == 0)), "untouched");
        sequence += (ulong)Random.Next(1, 3);
        foreach (var part in untouched)
        {
            var old = Make(RecordKind.Undo, sequence, part);
            Index.Growing.SetUndo(Disk, old);
            foreach (var sector in SectorsOf(part)) undo[sector] = old;
        }

        Commit();
        // A batch that does not fit the segment: undo in one, its record in the next.
        if (Random.Next(30) == 0) Roll();
        var written = Make(RecordKind.Write, sequence, extent);
        Index.Growing.AddVersion(Disk, written);
        foreach (var sector in SectorsOf(extent)) versions[sector].Add(written);
        lastSequence[serial] = sequence;
        Commit();
    }

    public void Freeze() => Index.Freeze();

    public void Roll()
    {
        lastSequence[serial] = sequence;
        // Nothing of a batch that goes on in the next segment is in this one.
        if (versions.All(v => v.Count == 0 || v[^1].Number < sequence)) lastSequence[serial] = sequence - 1;
        serial++;
        commits = 0;
    }

    public void RetireOldest()
    {
        if (first == serial) return;
        var due = Math.Max(start, lastSequence.GetValueOrDefault(first));
        var handDowns = new ExtentSet(touchedBySegment.GetValueOrDefault(first) ?? []).Extents.SelectMany(e => Index.HandDown(Disk, e, first, due)).ToList();
        var expected = Enumerable.Range(0, SectorCount).Where(s => versions[s].Count > 0 && versions[s][^1].Number > due && AtPoint(s, due)!.Value.Serial == first);
        Assert.That(handDowns.SelectMany(h => SectorsOf(h.Range)).Order(), Is.EqualTo(expected), "handed down");
        var made = handDowns.ConvertAll(h => Make(RecordKind.HandDown, due, h.Range));
        Commit();
        foreach (var record in made) Index.Growing.SetUndo(Disk, record);
        first++;
        Index.Retire(due, first);
        start = due;
        for (var sector = 0; sector < SectorCount; sector++)
        {
            if (versions[sector].LastOrDefault(v => v.Number <= start) is { Number: > 0 } newest) undo[sector] = newest;
            versions[sector].RemoveAll(v => v.Number <= start);
        }

        foreach (var record in made)
        {
            foreach (var sector in SectorsOf(record.Extent)) undo[sector] = record;
        }

        Retirements++;
        HandDowns += made.Count;
    }

    public void AssertResolve(string message)
    {
        var point = start + (ulong)Random.NextInt64((long)(sequence - start) + 1);
        var range = RandomExtent();
        var found = Index.Resolve(Disk, range, point);
        Assert.That(found.SelectMany(f => SectorsOf(f.Range)), Is.EqualTo(SectorsOf(range)), $"{message}: the answer covers the range exactly");
        foreach (var source in found)
        {
            foreach (var sector in SectorsOf(source.Range))
            {
                Assert.That(source.Record, Is.EqualTo(AtPoint(sector, point)), $"{message}: sector {sector} at {point}");
                if (source.Record is { } record) Assert.That(Index.SpansReading(Disk, record, new Extent(sector * Sectors.Size, Sectors.Size)), Has.Some.Matches<(ulong First, ulong Last)>(s => s.First <= point && point <= s.Last));
            }
        }
    }

    public void AssertTouched(string message)
    {
        var point = start + (ulong)Random.NextInt64((long)(sequence - start) + 1);
        var touched = new List<Extent>();
        for (long? from = 0; from is { } at;)
        {
            (var some, from) = Index.TouchedAfter(Disk, at, point, 5);
            touched.AddRange(some);
        }

        Assert.That(touched.SelectMany(SectorsOf), Is.EqualTo(Enumerable.Range(0, SectorCount).Where(s => versions[s].Count > 0 && versions[s][^1].Number > point)), message);
        ulong[] points = [start, .. new[] { point, sequence }.Distinct().Where(p => p > start).Order()];
        var bytes = new long[points.Length];
        for (long? from = 0; from is { } at;) from = Index.CountTouched(Disk, points, bytes, at, 7);
        for (var i = bytes.Length - 2; i >= 0; i--) bytes[i] += bytes[i + 1];
        Assert.That(bytes, Is.EqualTo(points.Select(p => versions.Count(v => v.Count > 0 && v[^1].Number > p) * (long)Sectors.Size)), message);
        var region = RandomExtent();
        Assert.That(Index.NewestIn(Disk, region, 10_000), Is.EqualTo(SectorsOf(region).Max(s => versions[s].Count == 0 ? 0 : versions[s][^1].Number)), message);
        Assert.That(Index.FirstWithoutUndo(Disk, new Extent(0, DiskBytes)), Is.Null, message);
    }

    private RecordRef? AtPoint(int sector, ulong point) => versions[sector].Count == 0 ? null : versions[sector].LastOrDefault(v => v.Number <= point) is { Number: > 0 } version ? version : undo[sector];

    private RecordRef Make(RecordKind kind, ulong number, Extent extent)
    {
        if (!touchedBySegment.TryGetValue(serial, out var touched)) touchedBySegment[serial] = touched = [];
        touched.Add(extent);
        return LayeredIndexTests.Make(kind, number, extent.Offset, extent.Length, serial, ++places);
    }

    private void Commit() => Index.Growing.Extend(new CommitPlace(serial, ++commits));

    private Extent RandomExtent()
    {
        var at = Random.Next(SectorCount);
        return new Extent(at * Sectors.Size, Random.Next(1, Math.Min(40, SectorCount - at) + 1) * Sectors.Size);
    }

    private static IEnumerable<int> SectorsOf(Extent extent) => Enumerable.Range((int)(extent.Offset / Sectors.Size), (int)(extent.Length / Sectors.Size));
}
