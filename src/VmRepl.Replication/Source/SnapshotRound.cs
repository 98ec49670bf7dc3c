using System.Security.Cryptography;
using VmRepl.Blocks.Files;
using VmRepl.Images.Opening;
using VmRepl.Journal.Points;
using VmRepl.Protocol.Records;
using VmRepl.Replication.Digests;
using VmRepl.Replication.Reading;

namespace VmRepl.Replication.Source;

/// <summary>
/// One round of snapshot mode: the group's disks, standing still, are brought over, and one recovery point for all of them is made.
/// <code>
/// what happens                        if it ends here
/// images opened and looked at         nothing was said
/// resync-begin                        the last point stays the newest that is offered
/// metadata, contents                  the same; the next round compares and finishes the rest
/// images looked at again: changed     the same; no point is made of this round
/// resync-end, durable                 the point exists
/// </code>
/// The first round of a group is its baseline: its contents are not journaled, and the point at its end is the first.
/// </summary>
internal sealed class SnapshotRound(SourceGroupDefinition group, SourceProgress before, Guid sourceId, ReplicaLink link, SequenceReserve sequences, TimeProvider time, RoundProgress progress)
{
    private const string BaselinePhase = "baseline";

    public async Task<(RoundResult Result, SourceProgress After)> RunAsync(IReadOnlyList<FrozenDisk> disks, CancellationToken cancellation)
    {
        var started = time.GetTimestamp();
        progress.Restart();
        await link.OpenAsync(cancellation);
        var isBaseline = link.State.Phase == BaselinePhase;
        // The replica has less than it once acknowledged, or more (a round that did not end may have brought values), or is another one: what was remembered of its values
        // does not count, only the keys do.
        var known = link.StoreId == before.StoreId && link.Durable == before.Durable ? before : before with { Metadata = before.Metadata.ToDictionary(m => m.Key, _ => "") };
        sequences.AdvanceTo(link.Durable);
        var stream = new RecordStream(link, sequences, time, group.Epoch, link.BeginTimeUs(before.TimeUs));
        // And keys that this side knows nothing of: a rewind brings back what was removed.
        var replicated = link.State.MetadataKeys.ToDictionary(k => k, k => known.Metadata.GetValueOrDefault(k, ""));

        if (!isBaseline) await stream.SendAsync([Begin()], isBaseline: false, cancellation);
        using (var digest = new BlockDigest(link.StoreId, sourceId))
        {
            foreach (var disk in disks)
                await new RegionComparison(disk.Disk, disk.Image, link, stream, digest, isBaseline, progress).RunAsync(cancellation);
        }

        var metadata = ReadMetadata();
        var drafts = MetadataDrafts(metadata, replicated);
        foreach (var disk in disks) disk.VerifyUnchanged();
        drafts.Add(new RecordDraft(RecordKind.ResyncEnd, 0, 0, 0, default, new Dictionary<string, string> { [RecordAttribute.Consistency] = RecoveryPoint.Crash }));
        await stream.SendAsync(drafts, isBaseline: false, cancellation);
        await link.WaitDurableAsync(stream.Last, cancellation);

        var result = new RoundResult(stream.Last, stream.LastTimeUs, link.StoreId, isBaseline, link.BytesSent, link.DigestBytesSent, progress.ChangedBytes, time.GetElapsedTime(started));
        var after = before with
        {
            StoreId = link.StoreId,
            Durable = link.Durable,
            TimeUs = stream.LastTimeUs,
            Metadata = metadata.ToDictionary(m => m.Key, m => Digest(m.Value)),
            PointSequence = stream.Last,
            PointTimeUs = stream.LastTimeUs,
            FirstPointTimeUs = isBaseline ? stream.LastTimeUs : link.State.FirstPointTimeUs,
            Bookmark = null,
            RoundIsOpen = false,
        };
        return (result, after);
    }

    /// <summary>Opens the resync, and names the numbers that were given up.</summary>
    private RecordDraft Begin() => new(RecordKind.ResyncBegin, 0, 0, 0, default, sequences.GapAfter(link.Durable));

    /// <exception cref="ReplicationException">The definition cannot be read.</exception>
    private Dictionary<string, byte[]> ReadMetadata()
    {
        var metadata = group.Metadata.ToDictionary(m => m.Key, m => System.Text.Encoding.UTF8.GetBytes(m.Value));
        if (group.DefinitionFile is null) return metadata;
        try
        {
            metadata[IPastView.DefinitionKey] = ReadBounded(group.DefinitionFile);
            return metadata;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ReplicationException(group.Name, $"group {group.Name}: the definition {group.DefinitionFile} cannot be read: {e.Message}", "Put it back, then sync again; earlier points are kept.", cause: e);
        }
    }

    private static byte[] ReadBounded(string path)
    {
        const int bytesMax = 16 << 20;
        // Opened as images are, which takes regular files only: no pipe to wait at, no device without an end.
        using var file = HostImageFiles.Instance.Open(path, HostFileAccess.Read);
        if (file.Length > bytesMax) throw new IOException($"it is larger than {bytesMax} bytes");
        var contents = new byte[file.Length];
        file.ReadExactly(0, contents);
        return contents;
    }

    /// <summary>A record for each value that the replica does not have yet, and one without a value for each key that is gone.</summary>
    private static List<RecordDraft> MetadataDrafts(Dictionary<string, byte[]> metadata, IReadOnlyDictionary<string, string> sent)
    {
        var drafts = new List<RecordDraft>();
        foreach (var (key, value) in metadata.OrderBy(m => m.Key, StringComparer.Ordinal))
        {
            if (!sent.TryGetValue(key, out var digest) || digest != Digest(value)) drafts.Add(Draft(key, value));
        }

        drafts.AddRange(sent.Keys.Where(k => !metadata.ContainsKey(k)).Order(StringComparer.Ordinal).Select(k => Draft(k, [])));
        return drafts;

        static RecordDraft Draft(string key, byte[] value) => new(RecordKind.Metadata, 0, 0, 0, value, new Dictionary<string, string> { [RecordAttribute.Key] = key });
    }

    private static string Digest(byte[] value) => Convert.ToHexStringLower(SHA256.HashData(value));
}
