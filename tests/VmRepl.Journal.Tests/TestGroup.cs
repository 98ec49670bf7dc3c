extern alias simulation;
using simulation::VmRepl.Simulation.Storage;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Points;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Tests;

/// <summary>One group with one disk, on a simulated volume unless told otherwise, and what its disk holds after each record.</summary>
internal sealed class TestGroup : IDisposable
{
    public const int DiskBytes = 1 << 20;

    private readonly byte[] contents = new byte[DiskBytes];
    private ulong sequence;
    private bool isAbandoned;

    public TestGroup(JournalOptions? options = null, IHostDirectory? directory = null)
    {
        Settings = new StoreSettings { NewGuid = Guid.NewGuid, Journal = options ?? new JournalOptions { SegmentBytes = 1 << 20, FreeBytesMin = 0 } };
        Directory = directory ?? Volume.Directory("group");
        Store = GroupStore.Create(Directory, new GroupDescription("g", Guid.Empty, 1, [new DiskDescription(1, "sda", DiskBytes, 512, "raw")]), Settings, 1);
    }

    public SimulatedVolume Volume { get; } = new(1, 1L << 30);

    public IHostDirectory Directory { get; private set; }

    public StoreSettings Settings { get; set; }

    public GroupStore Store { get; private set; }

    public GroupJournal Journal => Store.Journal;

    /// <summary>Contents by sequence, for every record appended.</summary>
    public Dictionary<ulong, byte[]> History { get; } = [];

    public Record Make(RecordKind kind, long offset = 0, long length = 0, byte fill = 0, Dictionary<string, string>? attributes = null, byte[]? value = null)
    {
        var isContents = kind is RecordKind.Write or RecordKind.Zero or RecordKind.Punch;
        var payload = kind == RecordKind.Write ? [.. Enumerable.Repeat(fill, (int)length)] : value ?? [];
        return Record.Create(
            new RecordHeader { Kind = kind, Sequence = ++sequence, TimeUs = (long)sequence * 1_000_000, Epoch = 1, Disk = isContents ? 1u : 0, Offset = offset, Length = length, Attributes = attributes }, payload);
    }

    public Record Write(long offset, long length, byte fill) => Make(RecordKind.Write, offset, length, fill);

    public Record Bookmark(string name, ulong? point = null)
    {
        var attributes = new Dictionary<string, string> { [RecordAttribute.Name] = name };
        if (point is { } p) attributes[RecordAttribute.Point] = $"{p}";
        return Make(RecordKind.Bookmark, attributes: attributes);
    }

    public Record Metadata(string key, byte[] value) => Make(RecordKind.Metadata, attributes: new Dictionary<string, string> { [RecordAttribute.Key] = key }, value: value);

    /// <summary>Ends the baseline, of zeros unless something was written.</summary>
    public ulong EndBaseline()
    {
        Append(Make(RecordKind.ResyncBegin), Make(RecordKind.ResyncEnd));
        return sequence;
    }

    public void Baseline(long offset, long length, byte fill)
    {
        Store.ApplyBaseline([Record.Create(new RecordHeader { Kind = RecordKind.Write, Sequence = 1, Disk = 1, Offset = offset, Length = length }, Enumerable.Repeat(fill, (int)length).ToArray())]);
        contents.AsSpan((int)offset, (int)length).Fill(fill);
    }

    /// <summary>Appends and returns the newest sequence.</summary>
    public ulong Append(params Record[] records)
    {
        Store.Append(records);
        foreach (var record in records)
        {
            var header = record.Header;
            var target = contents.AsSpan((int)header.Offset, (int)header.Length);
            if (header.Kind == RecordKind.Write) record.Payload.Span.CopyTo(target);
            else if (header.Kind is RecordKind.Zero or RecordKind.Punch) target.Clear();
            History[header.Sequence] = (byte[])contents.Clone();
        }

        return records[^1].Header.Sequence;
    }

    /// <summary>Notes that a rewind made a point: it must hold what the target held, and the source goes on behind it.</summary>
    public void NoteRewind(RecoveryPoint target, RecoveryPoint made)
    {
        History[made.Sequence] = History[target.Sequence];
        History[made.Sequence].CopyTo(contents, 0);
        GoOnBehind();
    }

    /// <summary>The source goes on behind whatever the replica has.</summary>
    public void GoOnBehind() => sequence = Math.Max(sequence, Journal.Position.Durable);

    public void Reopen(bool isReadOnly = false)
    {
        Store.Dispose();
        Store = Open(isReadOnly);
    }

    /// <summary>Kills the process, or cuts the power, and leaves it at that; the machine is up again.</summary>
    public void Abandon(CrashKind kind)
    {
        if (!Volume.IsDown) Volume.Crash(kind);
        Volume.Restart();
        Directory = Volume.Directory("group");
        isAbandoned = true;
    }

    /// <summary>Kills the process, or cuts the power, and opens the group again.</summary>
    public void Crash(CrashKind kind)
    {
        Abandon(kind);
        Store = GroupStore.Open(Volume.Directory("group"), Settings, 2, isReadOnly: false);
        isAbandoned = false;
    }

    /// <summary>Removes the index files, so that every commit is read.</summary>
    public void RemoveIndex()
    {
        var journal = Directory.Directory("journal");
        foreach (var name in journal.ListFiles().Where(n => n.EndsWith(".vri", StringComparison.Ordinal))) journal.Delete(name);
    }

    public GroupStore Open(bool isReadOnly) => GroupStore.Open(Directory, Settings, 2, isReadOnly);

    public static byte[] Read(GroupStore store, RecoveryPoint point)
    {
        using var view = store.OpenView(point);
        var found = new byte[DiskBytes];
        view.Disks[1].Read(0, found);
        return found;
    }

    /// <summary>Compares every point offered with the history.</summary>
    public void AssertPoints(GroupStore? store = null)
    {
        foreach (var point in (store ?? Store).Journal.Points) Assert.That(Read(store ?? Store, point).AsSpan().SequenceEqual(History[point.Sequence]), Is.True, $"contents at {point}");
    }

    public void Dispose()
    {
        // What was open when the machine went down has nothing left to close.
        if (!isAbandoned) Store.Dispose();
    }
}
