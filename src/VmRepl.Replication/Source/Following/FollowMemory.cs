using VmRepl.Blocks.Files;

namespace VmRepl.Replication.Source.Following;

/// <summary>What a followed group has to remember over restarts of the agent; the file <c>following.json</c>. Safe for concurrent use.</summary>
internal sealed class FollowMemory
{
    private const string FileName = "following.json";
    private const int DecisionsMax = 50;

    private readonly IHostDirectory directory;
    private readonly Lock gate = new();
    private IReadOnlyDictionary<string, string>? pendingMetadata;

    /// <exception cref="IOException">The file cannot be read.</exception>
    public FollowMemory(IHostDirectory directory)
    {
        this.directory = directory;
        Progress = Read(directory);
    }

    /// <summary>What is remembered of a group that is not followed at present.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static FollowState Read(IHostDirectory directory) => SourceJson.TryRead<FollowState>(directory, FileName) ?? new FollowState();

    public FollowState Progress { get; private set; }

    /// <summary>Why the disks stand as they do, where that was found out when they were opened; used up by the next decision.</summary>
    public string? Cause { get; set; }

    public IReadOnlyList<LinkDecision> Decisions => Progress.Decisions;

    /// <summary>The marks that a decision rests on are on stable storage by then.</summary>
    public void Note(LinkDecision decision, Guid storeId, ulong newestRewind)
    {
        lock (gate)
        {
            Save(Progress with { StoreId = storeId, NewestRewind = newestRewind, Metadata = storeId == Progress.StoreId ? Progress.Metadata : new Dictionary<string, string>(), Decisions = [.. Progress.Decisions.TakeLast(DecisionsMax - 1), decision] });
            Cause = null;
        }
    }

    /// <summary>Values that are on their way; they are known to be there when the replica is in sync.</summary>
    public void NotePendingMetadata(IReadOnlyDictionary<string, string> digests)
    {
        lock (gate) pendingMetadata = digests;
    }

    /// <param name="broughtOverBytes">What it took since it was last not in sync.</param>
    /// <param name="point">The newest point.</param>
    public void NoteInSync(long nowUs, long firstPointTimeUs, (ulong Sequence, long TimeUs) point, long broughtOverBytes)
    {
        lock (gate)
        {
            Save(Progress with
            {
                InSyncSinceUs = nowUs,
                LostSyncUs = 0,
                MissingSinceUs = 0,
                PointSequence = point.Sequence,
                PointTimeUs = point.TimeUs,
                FirstPointTimeUs = firstPointTimeUs != 0 ? firstPointTimeUs : Progress.FirstPointTimeUs != 0 ? Progress.FirstPointTimeUs : point.TimeUs,
                Metadata = pendingMetadata ?? Progress.Metadata,
                Decisions = Progress.Decisions is [.., var last] ? [.. Progress.Decisions.SkipLast(1), last with { BroughtOverBytes = (last.BroughtOverBytes ?? 0) + broughtOverBytes }] : [],
            });
        }
    }

    /// <param name="behind">Where the stream fell behind by itself. One that follows another of the same cause joins it, so that a guest that writes too much does not push everything else out.</param>
    /// <param name="lostUs">Since when.</param>
    /// <param name="missingUs">No change made before this is missing at the replica.</param>
    public void NoteLostSync(long lostUs, long missingUs, LinkDecision? behind)
    {
        lock (gate)
        {
            var next = Progress with { InSyncSinceUs = 0, LostSyncUs = lostUs, MissingSinceUs = missingUs };
            if (behind is not null)
            {
                var joins = Progress.Decisions is [.., var last] && (last.Decision, last.Cause) == (behind.Decision, behind.Cause);
                var joined = joins ? behind with { Times = Progress.Decisions[^1].Times + 1, BroughtOverBytes = Progress.Decisions[^1].BroughtOverBytes } : behind;
                next = next with { Decisions = [.. Progress.Decisions.SkipLast(joins ? 1 : 0).TakeLast(DecisionsMax - 1), joined] };
            }

            Save(next);
        }
    }

    /// <summary>It was in sync when an earlier life of the agent died, which had no time to say so.</summary>
    /// <param name="diedUs">When that life gave its last sign: it may have lived on a little.</param>
    /// <param name="point">Newest point that it knew of; 0 for none.</param>
    public void NoteDeath(long diedUs, (ulong Sequence, long TimeUs) point)
    {
        lock (gate)
        {
            if (Progress.InSyncSinceUs == 0) return;
            var lost = Math.Max(Progress.InSyncSinceUs, diedUs);
            var next = WithPoint(point.TimeUs != 0 ? point : default) with { InSyncSinceUs = 0, LostSyncUs = lost, MissingSinceUs = point.TimeUs != 0 ? point.TimeUs : lost };
            try
            {
                Save(next);
            }
            catch (IOException)
            {
                // Found out the same way at the next start, as far as nothing was written since. The disks are served all the same.
                Progress = next;
            }
        }
    }

    /// <param name="point">Newest point that the replica has by that link; 0 where none is known.</param>
    public void NoteLinkEnded(long bytesSent, long timeUs, (ulong Sequence, long TimeUs) point)
    {
        lock (gate) Save(WithPoint(point) with { BytesSent = Progress.BytesSent + bytesSent, TimeUs = Math.Max(Progress.TimeUs, timeUs) });
    }

    /// <summary>The replica has said which is its newest point.</summary>
    /// <param name="point">0 for none; the time only where it was not known before.</param>
    public void NoteNewestPoint((ulong Sequence, long TimeUs) point)
    {
        lock (gate)
        {
            if (Progress.PointSequence != point.Sequence) Save(Progress with { PointSequence = point.Sequence, PointTimeUs = point.TimeUs });
        }
    }

    private FollowState WithPoint((ulong Sequence, long TimeUs) point) => point.Sequence == 0 ? Progress : Progress with { PointSequence = point.Sequence, PointTimeUs = point.TimeUs };

    private void Save(FollowState next)
    {
        SourceJson.Write(directory, FileName, next);
        Progress = next;
    }
}
