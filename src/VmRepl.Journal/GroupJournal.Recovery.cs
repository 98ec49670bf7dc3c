using VmRepl.Blocks;
using VmRepl.Journal.Index;
using VmRepl.Journal.Index.Files;
using VmRepl.Journal.Metadata;
using VmRepl.Journal.Points;
using VmRepl.Journal.Segments;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal;

/// <content>Opening: what the index files cover is taken from them, the rest from the records; then the live images are brought from the last checkpoint to the journal's end.</content>
public sealed partial class GroupJournal
{
    private const int RedoPieceBytes = 1 << 20;

    // A layer that grows while records are read becomes a file when it has this part of the memory.
    private const int RebuildShare = 8;

    // Hand-downs read whose retirement has not come to its end yet: its checkpoint comes right behind them, or never.
    private readonly List<(uint Disk, RecordRef Record)> handedDown = [];

    // Every record read that is no contents, in order.
    private readonly List<(StoredValue Value, RecordMoment FollowedBefore)> facts = [];

    private ulong? firstSequence;

    // The newest fact with a sequence that the index files have.
    private ulong newestFact;
    private CheckpointRecord? lastCheckpoint;

    /// <summary>Reads everything. False where index files do not fit the records after all, which a store that lost a flush can come back with: they must not be used.</summary>
    /// <param name="whyUnfit">What of the records they cover does not verify, where that is why.</param>
    private bool TryRecover(bool withFiles, out JournalDamagedException? whyUnfit)
    {
        whyUnfit = null;
        var names = directory.ListFiles();
        var first = names.Select(n => SegmentLayout.TryParseName(n, out var serial) ? serial : 0).FirstOrDefault(s => s > 0);
        var found = withFiles && first > 0 ? IndexFileSet.Choose(directory, first, WhyNot, memory.Cache) : null;
        index.Begin(found?.Files ?? [], found?.End ?? new CommitPlace(Math.Max(1, first), 0));
        var covered = Covered(found?.Files ?? [], first);
        if (covered.Count > 0 && !EndsAsSaid(covered[^1], out whyUnfit)) return false;
        if (covered.Count > 0)
        {
            position = position with { Durable = covered[^1].LastSequence };
            foreach (var disk in touches.Values) disk.Forget();
            if (!TryTakeFacts(found!)) return false;
            // What is newer than every fact is contents.
            if (covered[^1].LastSequence is var newest && newest > newestFact) newestFollowed = new RecordMoment(newest, covered[^1].LastTimeUs);
        }

        var recovery = JournalRecovery.Read(directory, isReadOnly, covered, handles, TakeRead);
        // What was void when a file was written is not in it.
        if (found is not null && found.Files.Any(f => f.Start > (lastCheckpoint?.Start ?? 0) || f.FirstNeeded > (lastCheckpoint?.FirstSegment ?? 1)))
        {
            foreach (var segment in recovery.Segments) segment.Dispose();
            return false;
        }

        Load(recovery);
        if (isReadOnly) return true;
        foreach (var name in withFiles ? found?.Unused.Keys ?? [] : names.Where(n => IndexFileName.IsSpare(n) || IndexFileName.TryParse(n, out _, out _))) directory.Delete(name);
        LookAtSegments();
        BringUp(recovery);
        endsInCheckpoint = Counters.CommitsReadAtOpening == 0;
        return true;
    }

    /// <summary>What the files say of the segments that are here, each once.</summary>
    private static List<CoveredSegment> Covered(IReadOnlyList<IndexFile> files, ulong first)
    {
        var covered = new SortedDictionary<ulong, CoveredSegment>();
        foreach (var segment in files.SelectMany(f => f.Segments)) covered[segment.Serial] = segment;
        return [.. covered.Values.Where(s => s.Serial >= first)];
    }

    /// <summary>Why a segment is not the one that an index file speaks of, or null. One that is damaged is: whoever reads it finds out, and so does a scrub.</summary>
    private string? WhyNot(CoveredSegment says)
    {
        var name = SegmentLayout.FileName(says.Serial);
        if (!directory.FileExists(name)) return $"{name} is not here";
        using var file = directory.Open(name, Blocks.Files.HostFileAccess.Read);
        return SegmentHeader.Verifies(file) && SegmentHeader.Read(file) != says.Header ? $"{name} is another one" : null;
    }

    /// <summary>Whether the last commit that the files cover is where they say, the same one.</summary>
    private bool EndsAsSaid(CoveredSegment last, out JournalDamagedException? whyNot)
    {
        whyNot = null;
        try
        {
            using var segment = SegmentFile.Known(directory, Blocks.Files.HostFileAccess.Read, last.Header, new SegmentCursor(last.RecordsEnd, last.PayloadStart, last.Commits), last.LastChecksum, last.Incarnation, new SegmentHandles());
            var checksum = last.Header.Previous;
            foreach (var commit in segment.ReadCommits(segment.End, ulong.MaxValue)) checksum = commit.Checksum;
            return checksum == last.LastChecksum;
        }
        catch (JournalDamagedException e)
        {
            whyNot = e;
            return false;
        }
    }

    private bool TryTakeFacts(IndexFileSet found)
    {
        try
        {
            foreach (var fact in found.Files.SelectMany(f => f.ReadFacts()))
            {
                facts.Add((new StoredValue(fact.Header, Ref(fact)), fact.FollowedBefore));
                if (fact.Header.Sequence > 0)
                {
                    firstSequence ??= fact.Header.Sequence;
                    newestFact = fact.Header.Sequence;
                    newestFollowed = PointList.IsFollowed(fact.Header.Kind) ? new RecordMoment(fact.Header.Sequence, fact.Header.TimeUs) : fact.FollowedBefore;
                }

                if (fact.Header.Kind == RecordKind.Checkpoint) lastCheckpoint = CheckpointRecord.Read(fact.Header, directory.Path);
            }

            return true;
        }
        catch (JournalDamagedException)
        {
            // Only a copy of what the records say.
            return false;
        }

        static RecordRef Ref(IndexFact fact) => new()
        {
            Kind = fact.Header.Kind,
            Number = fact.Header.Sequence != 0 ? fact.Header.Sequence : fact.Header.Undoes,
            Content = fact.Header.Content,
            Offset = fact.Header.Offset,
            Length = fact.Header.Length,
            Serial = fact.Place.Serial,
            HeaderOffset = fact.HeaderOffset,
            HeaderLength = fact.EncodedHeader.Length,
            PayloadOffset = fact.PayloadOffset,
            PayloadLength = fact.PayloadLength,
            FirstChecksum = fact.PayloadLength > 0 ? System.Buffers.Binary.BinaryPrimitives.ReadUInt32LittleEndian(fact.Checksums.Span) : 0,
        };
    }

    /// <summary>Takes a commit into the index, in the order of the journal. What is void is passed over when the index is asked.</summary>
    private void TakeRead(Commit commit, IReadOnlyList<SegmentFile> present)
    {
        // An index that has to be made anew is brought into files as it grows.
        if (!isReadOnly && commit.Before.Commits == 0 && handedDown.Count == 0 && index.Growing.Bytes > memory.Cache.CapBytes / RebuildShare)
        {
            FreezeIndex(present);
            upkeep.Flush(new MergeBounds(0, present[0].Serial));
        }

        Counters.CommitsReadAtOpening++;
        foreach (var record in commit.Stored)
        {
            var header = record.Header;
            if (record.Sequence > 0)
            {
                firstSequence ??= record.Sequence;
                position = position with { Durable = record.Sequence };
            }

            switch (header.Kind)
            {
                case RecordKind.Undo:
                    Check(record);
                    index.Growing.SetUndo(header.Disk, record.Ref);
                    break;
                case RecordKind.HandDown:
                    Check(record);
                    handedDown.Add((header.Disk, record.Ref));
                    break;
                case RecordKind.Write or RecordKind.Zero or RecordKind.Punch:
                    Check(record);
                    index.Growing.AddVersion(header.Disk, record.Ref);
                    touches[header.Disk].Note(new Extent(header.Offset, header.Length), header.Sequence);
                    break;
                default:
                    index.Growing.AddFact(IndexFact.Of(record.Record, record.Place, record.Ref.HeaderOffset, record.Ref.PayloadOffset, newestFollowed));
                    facts.Add((new StoredValue(header, record.Ref), newestFollowed));
                    if (header.Kind == RecordKind.Checkpoint) TakeCheckpoint(header, commit.Serial);
                    break;
            }

            if (record.Sequence > 0 && PointList.IsFollowed(header.Kind)) newestFollowed = new RecordMoment(record.Sequence, header.TimeUs);
        }

        index.Growing.Extend(new CommitPlace(commit.Serial, commit.Before.Commits + 1));
    }

    /// <summary>A retirement ends with its checkpoint: what it handed down counts from there on. What was handed down for a start that this one does not reach is of a retirement that was cut off.</summary>
    private void TakeCheckpoint(RecordHeader header, ulong serial)
    {
        lastCheckpoint = CheckpointRecord.Read(header, Path.Combine(directory.Path, SegmentLayout.FileName(serial)));
        foreach (var (disk, record) in handedDown)
        {
            if (record.Number <= lastCheckpoint.Start) index.Growing.SetUndo(disk, record);
        }

        handedDown.Clear();
    }

    private void Load(JournalRecovery recovery)
    {
        segments.AddRange(recovery.Segments);
        lastChecksum = recovery.LastChecksum;
        Counters.TailWasTorn = recovery.TailWasTorn;
        Counters.CommitsMended = recovery.Mended;
        // Before the first checkpoint the range starts just before the first record, which is no contents: a baseline ends before any are journaled.
        var start = lastCheckpoint?.Start ?? (firstSequence ?? 1) - 1;
        position = new JournalPosition(Math.Max(position.Durable, start), start, lastCheckpoint?.Applied ?? start, start);
        startNow = start;
        if (segments.Count > 0) DropRetired(lastCheckpoint?.FirstSegment ?? 1, recovery);
        upkeep.Drop(index.Retire(start, segments.Count > 0 ? segments[0].Serial : 0));

        // It goes first: bookmarks in the range may name it.
        if (lastCheckpoint?.StartPoint is { } point) points.AddStart(point);
        foreach (var (fact, before) in facts) Load(fact, before, start);
        if (newestFollowed.Sequence > start) points.Follow(newestFollowed);
        facts.Clear();
        facts.TrimExcess();
        handedDown.Clear();

        CheckUndo();
        if (position.Checkpoint > position.Durable)
            throw new JournalDamagedException(directory.Path, -1, $"a checkpoint speaks of record {position.Checkpoint}, and the newest that is here is {position.Durable}");
        position = position with { Applied = position.Checkpoint };
    }

    /// <param name="followedBefore">The newest record of contents or metadata before it.</param>
    private void Load(StoredValue fact, RecordMoment followedBefore, ulong start)
    {
        if (segments.Count == 0 || fact.Ref.Serial < segments[0].Serial) return;
        var header = fact.Header;
        if (header.Kind == RecordKind.Metadata && header.Sequence == 0)
        {
            // All keys are handed down at each start, so only those of the present one count: a key deleted since would come back otherwise.
            if (header.Undoes == start) metadata.SetBase(fact);
            return;
        }

        if (header.Sequence <= start || header.Kind >= RecordKind.Undo) return;
        if (header.Kind == RecordKind.Metadata) metadata.AddVersion(fact);
        if (followedBefore.Sequence > start) points.Follow(followedBefore);
        points.Observe(header);
    }

    /// <summary>What was read is held against the invariant "undo before overwrite".</summary>
    private void CheckUndo()
    {
        var runs = new List<LayerRun>();
        foreach (var layer in index.Layers.OfType<MemoryLayer>())
        {
            foreach (var disk in layer.Disks)
            {
                for (long at = 0; ; at = runs[^1].End)
                {
                    runs.Clear();
                    layer.Find(disk, Extent.FromEnds(at, long.MaxValue), runs, RunsAtOnce);
                    foreach (var run in runs)
                    {
                        if (run.Newest > position.Start && index.FirstWithoutUndo(disk, run.Extent) is { } extent)
                            throw new JournalDamagedException(directory.Path, -1, $"disk {disk}, sectors {extent.Offset / Sectors.Size} to {extent.End / Sectors.Size}: the old contents were not kept");
                    }

                    if (runs.Count < RunsAtOnce) break;
                }
            }
        }
    }

    /// <summary>Whether the record speaks of a disk of the group, and of a part of it.</summary>
    private void Check(StoredRecord record)
    {
        var header = record.Header;
        var path = Path.Combine(directory.Path, SegmentLayout.FileName(record.Place.Serial));
        if (!live.TryGetValue(header.Disk, out var disk)) throw new JournalDamagedException(path, -1, $"a record names disk {header.Disk}, which the group does not have");
        if (header.Offset + header.Length > disk.Length)
            throw new JournalDamagedException(path, -1, $"a record of kind {header.Kind} lies outside disk {header.Disk}: {header.Length} bytes at {header.Offset}");
    }

    /// <summary>Takes away the segments that a retirement had given up when it was cut off.</summary>
    private void DropRetired(ulong firstNeeded, JournalRecovery recovery)
    {
        // The checkpoint that gives them up may have been left unflushed by a process that was killed: were a loss of power to take it now, they would still be needed (simulation, seed 233).
#if SIMULATION_PLANTS
        if (!isReadOnly && segments.Count > 1 && segments[0].Serial < firstNeeded && !VmRepl.Simulation.Plant.Is(VmRepl.Simulation.Plant.DropOnUnflushedWord))
#else
        if (!isReadOnly && segments.Count > 1 && segments[0].Serial < firstNeeded)
#endif
        {
            segments[^1].Settle(recovery.TailWasTorn, recovery.Last);
            directory.Flush();
        }

        while (segments.Count > 1 && segments[0].Serial < firstNeeded)
        {
            var retired = segments[0];
            segments.RemoveAt(0);
            retired.Dispose();
            if (isReadOnly) continue;
            directory.Delete(SegmentLayout.FileName(retired.Serial));
            // Before the next one goes: of two names given up together a crash may keep the older, and a gap in the names would look like damage.
            directory.Flush();
        }

        if (segments[0].Serial != firstNeeded) throw new JournalDamagedException(directory.Path, -1, $"{SegmentLayout.FileName(firstNeeded)} is missing");
    }

    /// <summary>
    /// Makes what was read count: flushed, since a process that was killed may have left it unflushed and what is reported from now on must be durable;
    /// and applied to the live images.
    /// </summary>
    private void BringUp(JournalRecovery recovery)
    {
        if (segments.Count > 0)
        {
            segments[^1].Settle(recovery.TailWasTorn, recovery.Last);
            directory.Flush();
        }

        Redo();
    }

    /// <summary>Applies what came after the last checkpoint. Values are absolute, so doing it twice changes nothing.</summary>
    private void Redo()
    {
        foreach (var (segment, record) in Unflushed())
        {
            var header = record.Header;
            var disk = live[header.Disk];
            Counters.RecordsRedone++;
            switch (header.Kind)
            {
                case RecordKind.Write:
                    appliedSinceCheckpoint += header.Length;
                    if (sharing.TryRedo(segment, record)) break;
                    for (var at = header.Offset; at < header.Offset + header.Length; at += RedoPieceBytes)
                    {
                        using var piece = PooledBuffer.Rent((int)Math.Min(RedoPieceBytes, header.Offset + header.Length - at));
                        segment.Read(record.Ref, new Extent(at, piece.Span.Length), piece.Span);
                        disk.Write(at, piece.Span);
                    }

                    break;
                case RecordKind.Zero:
                    disk.Zero(header.Offset, header.Length);
                    break;
                default:
                    disk.Punch(header.Offset, header.Length);
                    break;
            }
        }

        position = position with { Applied = position.Durable };
    }

    /// <summary>The contents after the last checkpoint, in order, read from the segments whether an index covers them or not.</summary>
    private IEnumerable<(SegmentFile Segment, StoredRecord Record)> Unflushed()
    {
        foreach (var segment in segments)
        {
            if (segment.LastSequence <= position.Checkpoint) continue;
            foreach (var record in segment.ReadCommits(segment.End, position.Checkpoint).SelectMany(c => c.Stored))
            {
                if (record.Sequence > position.Checkpoint && IsContents(record.Header.Kind)) yield return (segment, record);
            }
        }
    }

    private static bool IsContents(RecordKind kind) => kind is RecordKind.Write or RecordKind.Zero or RecordKind.Punch;
}
