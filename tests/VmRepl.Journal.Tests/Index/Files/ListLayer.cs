using VmRepl.Blocks;
using VmRepl.Journal.Index;

namespace VmRepl.Journal.Tests.Index.Files;

/// <summary>A layer as plain as can be: what files and merges are compared with.</summary>
internal sealed class ListLayer(CommitPlace first, CommitPlace end) : IndexLayer
{
    private readonly List<Entry> entries = [];

    public override CommitPlace First => first;

    public override CommitPlace End => end;

    public override ulong NewestSequence => entries.SelectMany(e => e.Versions).Select(v => v.Number).DefaultIfEmpty().Max();

    public override long RunCount => entries.Count;

    public IReadOnlyList<Entry> Entries => entries;

    public IEnumerable<uint> Disks => entries.Select(e => e.Disk).Distinct().Order();

    /// <summary>Runs are added in any order.</summary>
    public void Add(uint disk, long start, long end, List<RecordRef> versions, RecordRef? undo)
    {
        entries.Add(new Entry(disk, start, end, versions, undo));
        entries.Sort((a, b) => a.Disk != b.Disk ? a.Disk.CompareTo(b.Disk) : a.Start.CompareTo(b.Start));
    }

    /// <summary>Runs are added in order.</summary>
    public void Append(uint disk, long start, long end, List<RecordRef> versions, RecordRef? undo) => entries.Add(new Entry(disk, start, end, versions, undo));

    public override void Find(uint disk, Extent range, List<LayerRun> into, int most = int.MaxValue)
    {
        for (var i = 0; i < entries.Count && most > 0; i++)
        {
            if (entries[i].Disk != disk || entries[i].Start >= range.End || entries[i].End <= range.Offset) continue;
            into.Add(Run(i));
            most--;
        }
    }

    public override RecordRef NewestAt(in LayerRun run, ulong point) => entries[(int)run.Token].Versions.Last(v => v.Number <= point);

    public override RecordRef Version(in LayerRun run, int i) => entries[(int)run.Token].Versions[i];

    public override RecordRef Undo(in LayerRun run) => entries[(int)run.Token].Undo!.Value;

    private LayerRun Run(int i)
    {
        var e = entries[i];
        var (oldest, newest) = e.Versions.Count == 0 ? (0, 0) : (e.Versions[0].Number, e.Versions[^1].Number);
        return new LayerRun(e.Start, e.End, oldest, newest, e.Versions.Count, e.Undo is not null, i);
    }

    internal sealed record Entry(uint Disk, long Start, long End, List<RecordRef> Versions, RecordRef? Undo);
}
