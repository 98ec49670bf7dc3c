using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Images.LiveContainer;
using VmRepl.Journal.Index.Files;
using VmRepl.Journal.Points;
using VmRepl.Journal.Scrub;
using VmRepl.Journal.Views;
using VmRepl.Protocol.Names;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Store;

/// <summary>
/// One group in a store: its description, its live images and its journal.
/// <code>
/// NAME/group.json     description
/// NAME/live/          DISK.vhdx, DISK.vmdk: the live images; regions-DISK.digests: what a scrub compares them with
/// NAME/digests.json   the last incarnation that kept those up
/// NAME/promise.json   what the source said of its acknowledgements
/// NAME/journal/       segments
/// </code>
/// States: <see cref="GroupPhase.Baseline"/> until the first point is durable, then <see cref="GroupPhase.Following"/>. A crash in the baseline leaves live images that are
/// partly filled and no point; the next baseline compares and fills the rest.
/// </summary>
public sealed class GroupStore : IDisposable
{
    /// <summary>Its segments are in this directory.</summary>
    internal const string JournalName = "journal";

    /// <summary>A directory without it is no group.</summary>
    internal const string DescriptionName = "group.json";

    private const string ScrubName = "scrub.json";
    private const string PromiseName = "promise.json";
    private const string LiveName = "live";

    private readonly IHostDirectory directory;
    private readonly Dictionary<uint, DigestedImage> images;

    private GroupStore(IHostDirectory directory, GroupDescription description, Dictionary<uint, DigestedImage> images, IReadOnlyDictionary<uint, IBlockDevice> live, GroupJournal journal)
    {
        this.directory = directory;
        this.images = images;
        Live = live;
        Description = description;
        Journal = journal;
    }

    public GroupDescription Description { get; private set; }

    public GroupJournal Journal { get; }

    /// <summary>What the source said of its acknowledgements when it last opened the group; null where it said nothing.</summary>
    public SourcePromise? Promise { get; private set; }

    /// <summary>The live images by disk id. Only this class and its journal write them.</summary>
    public IReadOnlyDictionary<uint, IBlockDevice> Live { get; }

    /// <summary>The same with their digests.</summary>
    internal IReadOnlyDictionary<uint, DigestedImage> Images => images;

    public GroupPhase Phase => Journal.Points.Count > 0 ? GroupPhase.Following : GroupPhase.Baseline;

    /// <summary>Makes a group with empty live images.</summary>
    public static GroupStore Create(IHostDirectory directory, GroupDescription description, StoreSettings settings, ulong incarnation) =>
        Create(directory, description, settings, incarnation, new IndexMemory(settings.IndexMemoryBytes));

    /// <param name="memory">The store's memory for indexes.</param>
    internal static GroupStore Create(IHostDirectory directory, GroupDescription description, StoreSettings settings, ulong incarnation, IndexMemory memory)
    {
        var liveDirectory = directory.Directory(LiveName);
        // Making a group begins with removing what a crash left of one; it must never remove one that is there.
        if (directory.Exists && directory.FileExists(DescriptionName)) throw new StoreException($"{directory.Path} holds a group already", "Choose another name, or remove that group first.");
        directory.Create();
        liveDirectory.Create();
        directory.Directory(JournalName).Create();
        foreach (var disk in description.Disks)
        {
            // A crash while the group was made leaves live images without a description: they hold nothing.
            foreach (var stale in new[] { LiveFile(disk), LiveContainer.DescriptorName(LiveFile(disk)), RegionDigestFile.NameOf(disk.Name) }.Where(liveDirectory.FileExists)) liveDirectory.Delete(stale);
            using var image = LiveContainer.Create(liveDirectory, LiveFile(disk), disk.Length, disk.SectorSize, settings.NewGuid);
            image.Flush();
        }

        liveDirectory.Flush();
        directory.Flush();
        StoreJson.Write(directory, DescriptionName, description);
        return Open(directory, settings, incarnation, isReadOnly: false, memory);
    }

    /// <exception cref="StoreException">There is no group here, or its description is no description.</exception>
    /// <exception cref="JournalDamagedException">The journal does not verify.</exception>
    public static GroupStore Open(IHostDirectory directory, StoreSettings settings, ulong incarnation, bool isReadOnly) =>
        Open(directory, settings, incarnation, isReadOnly, new IndexMemory(settings.IndexMemoryBytes));

    /// <param name="memory">The store's memory for indexes.</param>
    internal static GroupStore Open(IHostDirectory directory, StoreSettings settings, ulong incarnation, bool isReadOnly, IndexMemory memory)
    {
        var description = StoreJson.Read<GroupDescription>(directory, DescriptionName);
        if (description.Disks is null || description.Disks.Count == 0 || description.Disks.Any(d => d is null || d.Name is null || !NameRule.IsValid(d.Name)) || !NameRule.IsValid(description.Name ?? ""))
            throw new StoreException($"{Path.Combine(directory.Path, DescriptionName)} names a group or a disk in a way that is not allowed");
        if (description.Disks.DistinctBy(d => d.Id).Count() != description.Disks.Count || description.Disks.DistinctBy(d => d.Name).Count() != description.Disks.Count)
            throw new StoreException($"{Path.Combine(directory.Path, DescriptionName)} names a disk twice");
        if (description.CloneOf is { } clone && (!NameRule.IsValid(clone.Owner) || !NameRule.IsValid(clone.Disk) || clone.Base is null || clone.Name is null || clone.TimeUs is < 0 or > CloneDescription.TimeUsMax || description.Disks.Count != 1))
            throw new StoreException($"{Path.Combine(directory.Path, DescriptionName)} says in a way that is not allowed what it is a clone of");
        if (!isReadOnly)
        {
            // As above this group's directory: names that a killed process left are made durable before anything in them is relied on.
            directory.Directory(LiveName).Flush();
            directory.Flush();
        }

        var images = new Dictionary<uint, DigestedImage>();
        GroupJournal? journal = null;
        try
        {
            var areDigestsKept = DigestKeeping.AreKept(directory, incarnation, isReadOnly);
            foreach (var disk in description.Disks)
            {
                var liveDirectory = directory.Directory(LiveName);
                var image = LiveContainer.Open(liveDirectory, LiveFile(disk), isReadOnly ? HostFileAccess.Read : HostFileAccess.ReadWrite);
                images.Add(disk.Id, new DigestedImage(image, new RegionDigests(liveDirectory, disk.Name, image.Length, isReadOnly, areDigestsKept)));
                if (image.Length != disk.Length) throw new StoreException($"{image.File.Path} is a disk of {image.Length} bytes, the group's {disk.Name} has {disk.Length}");
            }

            if (!isReadOnly && !DigestKeeping.TryBegin(directory, incarnation)) Array.ForEach([.. images.Values], i => i.Digests.Remove());
            var live = images.ToDictionary(i => i.Key, i => (IBlockDevice)i.Value);
            journal = GroupJournal.Open(directory.Directory(JournalName), live, settings.Journal, settings.Time, incarnation, isReadOnly, memory);
            // A baseline is not redone, so nothing forgets the digests of what it wrote: there are none until it has ended.
            if (journal.Points.Count == 0 && !isReadOnly) Array.ForEach([.. images.Values], i => i.Digests.Remove());
            // What was written since the last flush is in an unknown state, and a reader does not write it again.
            if (isReadOnly) journal.ForEachUnflushed((disk, extent) => images[disk].Digests.Forget(extent));
            if (settings.Notice is { } notice) journal.Notice = sentence => notice(description.Name!, sentence);
            if (!isReadOnly) journal.KeepLimits();
            return new GroupStore(directory, description, images, live, journal) { Promise = StoreJson.TryRead<SourcePromise>(directory, PromiseName) };
        }
        catch
        {
            journal?.Dispose();
            foreach (var image in images.Values) image.Dispose();
            throw;
        }
    }

    /// <summary>Notes a newer epoch; durable on return.</summary>
    public void SetEpoch(uint epoch)
    {
        if (epoch == Description.Epoch) return;
        Description = Description with { Epoch = epoch };
        StoreJson.Write(directory, DescriptionName, Description);
    }

    /// <summary>Writes baseline contents straight to the live images: a baseline has no past to keep.</summary>
    /// <exception cref="ArgumentException">A record does not fit the group, or the group is past its baseline.</exception>
    /// <exception cref="JournalFullException">The volume has no room; nothing was written.</exception>
    public void ApplyBaseline(IReadOnlyList<Record> records)
    {
        if (Phase != GroupPhase.Baseline) throw new ArgumentException($"group {Description.Name} has recovery points: its live images change through the journal only");
        Journal.RequireVolume(records.Sum(r => (long)r.PayloadLength));
        foreach (var record in records)
        {
            var header = record.Header;
            if (!Live.TryGetValue(header.Disk, out var disk) || header.Offset + header.Length > disk.Length) throw new ArgumentException($"{record} does not fit the group's disks");
            if (header.Kind == RecordKind.Write) disk.Write(header.Offset, record.Payload.Span);
            else if (header.Kind is RecordKind.Zero or RecordKind.Punch) disk.Punch(header.Offset, header.Length);
            else throw new ArgumentException($"{record} is no part of a baseline");
        }

        // The end of the baseline waits for all of it to be on the disk: the disk works meanwhile, not only then.
        foreach (var written in records.Where(r => r.Header.Kind == RecordKind.Write).GroupBy(r => r.Header.Disk))
        {
            var from = written.Min(r => r.Header.Offset);
            images[written.Key].BeginWriteBack(from, written.Max(r => r.Header.Offset + r.Header.Length) - from);
        }
    }

    /// <summary>Journals the records and applies them. The end of a baseline, which makes its contents count, is preceded by a flush of the live images.</summary>
    /// <param name="durable">Called as soon as everything is durable, before it is applied: the records may be acknowledged. It appends nothing itself.</param>
    /// <exception cref="JournalFullException">Nothing was written.</exception>
    /// <exception cref="ArgumentException">A record does not fit the group, or the group is a clone that is whole.</exception>
    public void Append(IReadOnlyList<Record> records, Action? durable = null)
    {
        if (Phase == GroupPhase.Following && Description.CloneOf is not null) throw new ArgumentException($"group {Description.Name} is a clone, which has the one point of its baseline");
        if (Phase == GroupPhase.Baseline)
        {
            if (records.FirstOrDefault(r => r.Header.Kind is RecordKind.Write or RecordKind.Zero or RecordKind.Punch) is { } early)
                throw new ArgumentException($"{early} came before the end of the baseline");
            if (records.Any(r => r.Header.Kind == RecordKind.ResyncEnd)) Journal.FlushLive();
        }

        Journal.Append(records, durable);
    }

    /// <summary>The last scrub that went to its end, or null.</summary>
    /// <exception cref="StoreException">What was noted of it does not parse.</exception>
    public LastScrub? ReadLastScrub() => directory.FileExists(ScrubName) ? StoreJson.Read<LastScrub>(directory, ScrubName) : null;

    /// <summary>Notes a scrub that went to its end; durable on return.</summary>
    public void NoteScrub(LastScrub scrub) => StoreJson.Write(directory, ScrubName, scrub);

    /// <summary>Notes what the source promises and that it was heard.</summary>
    /// <param name="isDurable">Whether it is on the disk on return; else it is in memory only, which costs nothing.</param>
    public void NotePromise(SourcePromise promise, bool isDurable)
    {
        Promise = promise;
        if (isDurable) StoreJson.Write(directory, PromiseName, promise);
    }

    /// <summary>The point that <paramref name="at"/> means: "latest", a bookmark, a sequence, or a time (the newest point at or before it).</summary>
    /// <exception cref="StoreException">There is none.</exception>
    public RecoveryPoint FindPoint(string at) => Journal.FindPoint(Description.Name, at);

    /// <summary>Opens every disk as of a point.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The point is outside the range.</exception>
    public GroupView OpenView(RecoveryPoint point) => new(this, point);

    public void Dispose()
    {
        Journal.Dispose();
        foreach (var image in images.Values) image.Dispose();
    }

    private static string LiveFile(DiskDescription disk) => disk.Name + ".vhdx";
}
