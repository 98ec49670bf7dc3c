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
        Progress = SourceJson.TryRead<FollowState>(directory, FileName) ?? new FollowState();
    }

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
    public void NoteInSync(long nowUs, long firstPointTimeUs, long broughtOverBytes)
    {
        lock (gate)
        {
            Save(Progress with
            {
                InSyncSinceUs = nowUs,
                LostSyncUs = 0,
                FirstPointTimeUs = firstPointTimeUs != 0 ? firstPointTimeUs : Progress.FirstPointTimeUs != 0 ? Progress.FirstPointTimeUs : nowUs,
                Metadata = pendingMetadata ?? Progress.Metadata,
                Decisions = Progress.Decisions is [.., var last] ? [.. Progress.Decisions.SkipLast(1), last with { BroughtOverBytes = (last.BroughtOverBytes ?? 0) + broughtOverBytes }] : [],
            });
        }
    }

    /// <param name="behind">Where the stream fell behind by itself. One that follows another of the same cause joins it, so that a guest that writes too much does not push everything else out.</param>
    public void NoteLostSync(long nowUs, LinkDecision? behind)
    {
        lock (gate)
        {
            var next = Progress with { InSyncSinceUs = 0, LostSyncUs = nowUs };
            if (behind is not null)
            {
                var joins = Progress.Decisions is [.., var last] && (last.Decision, last.Cause) == (behind.Decision, behind.Cause);
                var joined = joins ? behind with { Times = Progress.Decisions[^1].Times + 1, BroughtOverBytes = Progress.Decisions[^1].BroughtOverBytes } : behind;
                next = next with { Decisions = [.. Progress.Decisions.SkipLast(joins ? 1 : 0).TakeLast(DecisionsMax - 1), joined] };
            }

            Save(next);
        }
    }

    public void NoteLinkEnded(long bytesSent, long timeUs)
    {
        lock (gate) Save(Progress with { BytesSent = Progress.BytesSent + bytesSent, TimeUs = Math.Max(Progress.TimeUs, timeUs) });
    }

    private void Save(FollowState next)
    {
        SourceJson.Write(directory, FileName, next);
        Progress = next;
    }
}
