using VmRepl.Blocks;
using VmRepl.Journal.Index.Files;

namespace VmRepl.Journal.Index;

/// <summary>
/// The layer of an interval of the journal that is still being written, or that no file holds yet. States: growing (records are added as they become durable), frozen (nothing is added any more).
/// Nothing in it is an object of its own, however many records there are.
/// </summary>
/// <param name="first">The first commit whose records it takes.</param>
internal sealed class MemoryLayer(CommitPlace first) : IndexLayer
{
    // What a fact takes beside its bytes: it, its header and the objects in it.
    private const int FactOverhead = 512;

    private readonly Dictionary<uint, RunList> disks = [];
    private readonly Table<RecordRef> records = new();
    private readonly VersionTable versions = new();
    private readonly List<IndexFact> facts = [];
    private Func<SectorRun, LayerRun>? give;
    private CommitPlace end = first;
    private ulong newestSequence;
    private long factBytes;

    public override CommitPlace First { get; } = first;

    public override CommitPlace End => end;

    public override ulong NewestSequence => newestSequence;

    public override long RunCount => disks.Values.Sum(d => (long)d.Count);

    /// <summary>What it takes of memory, near enough.</summary>
    public long Bytes => records.Bytes + versions.Bytes + factBytes + disks.Values.Sum(d => d.Bytes);

    /// <summary>Disks that have runs, ascending.</summary>
    public IReadOnlyList<uint> Disks => [.. disks.Keys.Order()];

    /// <summary>The records of the interval that are no contents, in order.</summary>
    public IReadOnlyList<IndexFact> Facts => facts;

    /// <summary>Serial of the segment that its first commit stands in; null where it has none.</summary>
    public ulong? FirstSegment { get; private set; }

    /// <summary>The layer now reaches up to <paramref name="place"/>, exclusive.</summary>
    public void Extend(CommitPlace place)
    {
        FirstSegment ??= place.Serial;
        end = place;
    }

    /// <summary>Adds a record that is no contents.</summary>
    public void AddFact(IndexFact fact)
    {
        facts.Add(fact);
        factBytes += FactOverhead + (2 * fact.EncodedHeader.Length) + fact.Checksums.Length;
    }

    /// <summary>Adds a record of the stream, newer than every one before it.</summary>
    public void AddVersion(uint disk, in RecordRef record)
    {
        newestSequence = record.Number;
        var sequence = record.Number;
        var added = records.Add(record);
        // Runs with one history go on sharing it.
        int before = -2, version = -1;
        Runs(disk).ForExactly(record.Offset, record.Offset + record.Length, (ref SectorRun run) =>
        {
            if (run.Version != before || version < 0) (before, version) = (run.Version, versions.Add(run.Version, added, sequence));
            run.Version = version;
        });
    }

    /// <summary>Sets what the sectors of <paramref name="undo"/> held before they were touched, or at a start of the range.</summary>
    public void SetUndo(uint disk, in RecordRef undo)
    {
        var added = records.Add(undo);
        Runs(disk).ForExactly(undo.Offset, undo.Offset + undo.Length, (ref SectorRun run) => run.Undo = added);
    }

    public override void Find(uint disk, Extent range, List<LayerRun> into, int most = int.MaxValue)
    {
        if (!disks.TryGetValue(disk, out var runs)) return;
        give ??= Describe;
        runs.Overlapping(range.Offset, range.End, into, give, most);
    }

    public override RecordRef NewestAt(in LayerRun run, ulong point) => records[versions.Record(versions.NewestAt(VersionOf(run), point))];

    public override RecordRef Version(in LayerRun run, int i) => records[versions.Record(versions.At(VersionOf(run), i))];

    public override RecordRef Undo(in LayerRun run) => records[(int)run.Token];

    private LayerRun Describe(SectorRun run)
    {
        var depth = versions.Depth(run.Version);
        var oldest = depth == 0 ? 0 : versions.Sequence(depth == 1 ? run.Version : versions.At(run.Version, 0));
        return new LayerRun(run.Start, run.End, oldest, versions.Sequence(run.Version), depth, run.Undo >= 0, ((long)run.Version << 32) | (uint)run.Undo);
    }

    private static int VersionOf(in LayerRun run) => (int)(run.Token >> 32);

    private RunList Runs(uint disk)
    {
        if (!disks.TryGetValue(disk, out var runs)) disks[disk] = runs = new RunList();
        return runs;
    }
}
