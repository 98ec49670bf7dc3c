extern alias simulation;
using simulation::VmRepl.Simulation.Storage;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Points;
using VmRepl.Journal.Scrub;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Tests.Scrub;

/// <summary>A store with one group of one disk of several regions, on a simulated volume, and what the disk held at each of its points.</summary>
internal sealed class ScrubbedStore : IDisposable
{
    public const int DiskBytes = 4 << 20;
    public const string Group = "g";

    private readonly byte[] contents = new byte[DiskBytes];
    private readonly bool keepsHistory;
    private bool isDown;

    public ScrubbedStore(ulong seed = 1, long capacityBytes = long.MaxValue, bool keepsHistory = true)
    {
        this.keepsHistory = keepsHistory;
        Volume = new SimulatedVolume(seed, 1L << 30);
        Settings = new StoreSettings { NewGuid = Guid.NewGuid, Journal = new JournalOptions { SegmentBytes = 1 << 20, FreeBytesMin = 0, CapacityBytes = capacityBytes, CheckpointBytes = 1 << 20 } };
        Volume.Directory("store").Create();
        Volume.FlushRoot();
        Store = ReplicaStore.OpenForWriting(Volume.Directory("store"), Settings);
        Store.Create(new GroupDescription(Group, Guid.Empty, 1, [new DiskDescription(1, "sda", DiskBytes, 512, "raw")]));
        // A disk with data, and its last region a hole.
        for (var at = 0; at < DiskBytes - (1 << 20); at += 4096) contents.AsSpan(at, 4096).Fill((byte)((at >> 12) + 1));
        Opened.ApplyBaseline([Record.Create(new RecordHeader { Kind = RecordKind.Write, Sequence = 1, Disk = 1, Length = DiskBytes - (1 << 20) }, contents.AsSpan(0, DiskBytes - (1 << 20)).ToArray())]);
        Append(Fact(RecordKind.ResyncBegin), Fact(RecordKind.ResyncEnd));
    }

    public SimulatedVolume Volume { get; }

    public StoreSettings Settings { get; }

    public ReplicaStore Store { get; private set; }

    public GroupStore Opened => Store.Get(Group);

    public GroupJournal Journal => Opened.Journal;

    /// <summary>Contents by sequence, for every record appended; 4 MiB each, so not where there are many.</summary>
    public Dictionary<ulong, byte[]> History { get; } = [];

    public SimulatedDirectory Segments => (SimulatedDirectory)GroupDirectory.Directory("journal");

    public SimulatedDirectory Live => (SimulatedDirectory)GroupDirectory.Directory("live");

    private IHostDirectory GroupDirectory => Volume.Directory("store").Directory("groups").Directory(Group);

    /// <summary>Flips a bit of the disk in the live image's file.</summary>
    public void FlipLive(long offset, int bit) => Live.FlipBit("sda.vhdx", Opened.Images[1].PayloadOffset + offset, bit);

    private ulong Next => Journal.Position.Durable + 1;

    public Record Fact(RecordKind kind, int ahead = 0, string? name = null) => Record.Create(
        new RecordHeader
        {
            Kind = kind,
            Sequence = Next + (ulong)(kind == RecordKind.ResyncEnd ? ahead + 1 : ahead),
            TimeUs = 1,
            Epoch = 1,
            Attributes = name is null ? null : new Dictionary<string, string> { [RecordAttribute.Name] = name },
        },
        default);

    public Record Contents(RecordKind kind, long offset, int length, byte fill, int ahead = 0) => Record.Create(
        new RecordHeader { Kind = kind, Sequence = Next + (ulong)ahead, TimeUs = 1, Epoch = 1, Disk = 1, Offset = offset, Length = length }, kind == RecordKind.Write ? Enumerable.Repeat(fill, length).ToArray() : default);

    /// <summary>Writes in a round of its own, and names the moment behind it.</summary>
    public ulong Write(string name, long offset, int length, byte fill) =>
        Append(Fact(RecordKind.ResyncBegin), Contents(RecordKind.Write, offset, length, fill, 1), Fact(RecordKind.ResyncEnd, 1), Fact(RecordKind.Bookmark, 3, name));

    public ulong Append(params Record[] records)
    {
        Opened.Append(records);
        if (!keepsHistory) return records[^1].Header.Sequence;
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

    public Task<ScrubReport> ScrubAsync() => Store.ScrubAsync(Group, new ScrubOptions(), CancellationToken.None);

    /// <summary>Scrubs the bare store, as one who only reads.</summary>
    public async Task<ScrubReport> ScrubReadOnlyAsync()
    {
        using var reader = ReplicaStore.OpenForReading(Volume.Directory("store"), Settings);
        return await reader.ScrubAsync(Group, new ScrubOptions(), CancellationToken.None);
    }

    public void Reopen()
    {
        Close();
        Open();
    }

    public void Close()
    {
        if (!isDown) Store.Dispose();
        isDown = true;
    }

    /// <summary>Removes the index files, so that every commit is read.</summary>
    public void RemoveIndex()
    {
        foreach (var name in Segments.ListFiles().Where(n => n.EndsWith(".vri", StringComparison.Ordinal))) Segments.Delete(name);
    }

    public void Open()
    {
        Store = ReplicaStore.OpenForWriting(Volume.Directory("store"), Settings);
        isDown = false;
    }

    /// <summary>The machine went down, or goes down now; it is up again and nothing is open.</summary>
    public void Crash(CrashKind kind)
    {
        if (!Volume.IsDown) Volume.Crash(kind);
        Volume.Restart();
        isDown = true;
    }

    /// <summary>Sequences of the points that cannot be read; the others must hold what they held.</summary>
    public List<ulong> UnreadablePoints()
    {
        var unreadable = new List<ulong>();
        foreach (var point in Journal.Points)
        {
            using var view = Opened.OpenView(point);
            var found = new byte[DiskBytes];
            try
            {
                view.Disks[1].Read(0, found);
            }
            catch (JournalDamagedException)
            {
                unreadable.Add(point.Sequence);
                continue;
            }

            Assert.That(found.AsSpan().SequenceEqual(History[point.Sequence]), Is.True, $"contents at {point}");
        }

        return unreadable;
    }

    public void Dispose() => Close();
}
