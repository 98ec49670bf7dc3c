using Microsoft.Extensions.Logging;
using VmRepl.Blocks.Files;
using VmRepl.Clones.Drops;
using VmRepl.Clones.Matching;
using VmRepl.Images;
using VmRepl.Protocol.Messages;
using VmRepl.Protocol.Names;
using VmRepl.Replication;
using VmRepl.Replication.Source;

namespace VmRepl.Clones;

/// <summary>
/// Watches drop directories and sees to it that every clone in them gets to the replica. What it knows is a durable list; what it does not know it finds by looking at the directories, so nothing is missed however it ended.
/// <code>
/// what happens                                 if the process ends here
/// a version is seen, waits, is looked at       it is seen again
/// "copying", with the name of its group        durable first: its group at the replica is made after that, and no second one
/// the group's baseline                         it is taken up again, and compared with what is there
/// the baseline's end is durable there          found out when it is taken up
/// "protected"                                  durable; nothing more is done for this version
/// </code>
/// Nothing in a drop directory is ever written, moved or removed.
/// </summary>
public sealed class DropWatch
{
    /// <summary>Clones that are on their way at a time: one to each replica, so that one that is away does not hold up the others. Each takes 64 MiB of memory for what it compares.</summary>
    public const int TransfersMax = 4;

    // How often it is asked for news, and how soon a look follows another: where there is news, where something is not complete, where nothing is known of.
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(100), AfterNews = TimeSpan.FromMilliseconds(250), WhileWaiting = TimeSpan.FromMilliseconds(500), Otherwise = TimeSpan.FromSeconds(10);

    /// <summary>So long files are looked at in one go: what was found to be a clone is sent before the rest is looked at.</summary>
    private static readonly TimeSpan LooksMax = TimeSpan.FromMilliseconds(500);

    private static readonly TimeSpan RetryFirst = TimeSpan.FromSeconds(1), RetryMax = TimeSpan.FromSeconds(30);

    private readonly IReadOnlyList<string> directories;
    private readonly DropList list;
    private readonly IProtectedDisks disks;
    private readonly Func<Guid> newGuid;
    private readonly TimeProvider time;
    private readonly ILogger log;
    private readonly Lock gate = new();
    private readonly Dictionary<string, Task> running = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (DateTimeOffset At, TimeSpan Pause)> retries = new(StringComparer.Ordinal);
    private (long Changes, HashSet<DropState> States) present = (-1, []);
    private readonly HashSet<string> unlisted = new(StringComparer.Ordinal), crowded = new(StringComparer.Ordinal);

    /// <param name="directories">Full paths, links on the way resolved.</param>
    public DropWatch(IReadOnlyList<string> directories, DropList list, IProtectedDisks disks, Func<Guid> newGuid, TimeProvider time, ILogger log)
    {
        (this.directories, this.list, this.disks, this.newGuid, this.time, this.log) = (directories, list, disks, newGuid, time, log);
    }

    /// <summary>Everything that is known of, oldest first.</summary>
    public IReadOnlyList<DroppedFile> Files
    {
        get
        {
            lock (gate) return [.. list.Files];
        }
    }

    /// <summary>Watches until it is stopped; what is on its way then is taken up in the next life.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        using var watch = new DirectoryWatch(directories);
        foreach (var directory in directories) CloneLog.Watched(log, directory);
        try
        {
            DateTimeOffset? looked = null;
            var isAllLookedAt = true;
            var isNews = false;
            var pause = WhileWaiting;
            while (true)
            {
                var since = looked is { } last ? time.GetUtcNow() - last : TimeSpan.MaxValue;
                isNews |= watch.HasChanged;
                if (since < TimeSpan.Zero || since >= Otherwise || (isNews && since >= AfterNews) || (IsAny(DropState.Waiting) && since >= pause) || !isAllLookedAt)
                {
                    (isNews, looked) = (false, time.GetUtcNow());
                    var started = time.GetTimestamp();
                    isAllLookedAt = Look();
                    // A file may be written for hours, beside many others: looking takes a twentieth of the time at the most.
                    pause = TimeSpan.FromTicks(Math.Clamp(20 * time.GetElapsedTime(started).Ticks, WhileWaiting.Ticks, Otherwise.Ticks));
                }

                Send(stopping);
                await Task.Delay(isAllLookedAt ? Poll : TimeSpan.FromMilliseconds(1), time, stopping);
            }
        }
        finally
        {
            await Task.WhenAll(running.Values);
        }
    }

    /// <summary>Looks at every directory, and at files that are complete until it has taken a while.</summary>
    /// <returns>Whether every one of them was looked at.</returns>
    internal bool Look()
    {
        var started = time.GetTimestamp();
        try
        {
            foreach (var directory in directories) List(directory);
            LookAgainAfterProtection();
            if (!Examine(() => time.GetElapsedTime(started) >= LooksMax)) return false;
            // Not before: what is only seen is seen again, and what is to be sent is made durable by itself.
            lock (gate) list.Save();
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            CloneLog.ListFailed(log, e.Message);
            return true;
        }
    }

    /// <summary>Whether anything in a directory that is watched is in that state. Asked many times a second, of a list that is long and seldom changes.</summary>
    private bool IsAny(DropState state)
    {
        lock (gate)
        {
            if (present.Changes != list.Changes) present = (list.Changes, [.. list.Files.Where(f => directories.Contains(f.Directory)).Select(f => f.State)]);
            return present.States.Contains(state);
        }
    }

    private void List(string directory)
    {
        IReadOnlyList<DirectoryEntry> entries;
        try
        {
            entries = DirectoryListing.Read(directory);
            unlisted.Remove(directory);
        }
        catch (IOException e)
        {
            // Not there is not the same as empty: nothing in it counts as removed.
            if (unlisted.Add(directory)) CloneLog.NotListed(log, directory, e.Message);
            return;
        }

        if (entries.Count <= DropList.FilesMax) crowded.Remove(directory);
        else if (crowded.Add(directory)) CloneLog.TooMany(log, directory, DropList.FilesMax);
        List<DroppedFile> forgotten;
        lock (gate)
        {
            var next = DropScan.Look(list.Files, directory, entries, time.GetUtcNow(), () => CloneGroupName.Of(newGuid()));
            if (ReferenceEquals(next, list.Files)) return;
            var now = next.ToDictionary(f => f.CloneGroup);
            foreach (var gone in list.Files.Where(f => f.State == DropState.Protected && now.GetValueOrDefault(f.CloneGroup)?.State == DropState.Gone)) CloneLog.Gone(log, gone.Shown);
            forgotten = [.. list.Files.Where(f => f.State == DropState.Copying && !now.ContainsKey(f.CloneGroup))];
            var before = list.Files.Select(f => f.CloneGroup).ToHashSet();
            foreach (var strange in next.Where(f => f.State == DropState.Quarantined && !before.Contains(f.CloneGroup))) CloneLog.Quarantined(log, strange.Shown, strange.Reason!);
            list.Replace(next);
        }

        // Its transfer, where one is running, finds out by itself that the file is another one.
        foreach (var file in forgotten.Where(f => !running.ContainsKey(f.CloneGroup))) disks.Forget(file.CloneGroup);
    }

    /// <summary>What was like nothing that is protected may be like what is protected now.</summary>
    private void LookAgainAfterProtection()
    {
        var protectedDisks = disks.List();
        var names = string.Join(' ', protectedDisks.Select(d => $"{d.Group}/{d.Name}").Order(StringComparer.Ordinal));
        lock (gate)
        {
            if (names == list.Compared) return;
            list.Replace([.. list.Files.Select(f => f is { State: DropState.Quarantined, IsUnmatched: true } && MayBeLike(f) ? f with { State = DropState.Waiting } : f)]);
            list.SetCompared(names);
        }

        // Of the many files that are no images at all, only one that has a disk's length.
        bool MayBeLike(DroppedFile file) => file.Image is not { IsAnything: true } image || protectedDisks.Any(d => d.Length == image.Length);
    }

    private bool Examine(Func<bool> isLate)
    {
        var now = time.GetUtcNow();
        var complete = Files.Where(f => f.State == DropState.Waiting && directories.Contains(f.Directory) && DropScan.IsSettled(f, now)).ToList();
        if (complete.Count == 0) return true;
        var examiner = new DropExaminer(disks, BaseFiles.Of(disks.List()), [.. Files.Where(f => f.State == DropState.Protected)]);
        foreach (var file in complete)
        {
            var found = examiner.Examine(file);
            if (found.State == DropState.Quarantined) CloneLog.Quarantined(log, found.Shown, found.Reason!);
            if (found.State == DropState.Copying) CloneLog.Found(log, found.Shown, found.Base!.How, found.CloneGroup);
            lock (gate) list.Update(found);
            if (isLate()) return file == complete[^1];
        }

        return true;
    }

    /// <summary>Begins to send what is due, where not too much is under way.</summary>
    private void Send(CancellationToken stopping)
    {
        foreach (var ended in running.Where(r => r.Value.IsCompleted).Select(r => r.Key).ToList())
        {
            running.Remove(ended);
            // It went away, or became another, while it was sent.
            if (!Files.Any(f => f.CloneGroup == ended)) disks.Forget(ended);
        }

        foreach (var file in Due()) running.Add(file.CloneGroup, SendAsync(file, stopping));
    }

    private List<DroppedFile> Due()
    {
        if (!IsAny(DropState.Copying)) return [];
        var now = time.GetUtcNow();
        var replicas = disks.List().GroupBy(d => d.Group).ToDictionary(g => g.Key, g => g.First().Replica);
        lock (gate)
        {
            var busy = list.Files.Where(f => running.ContainsKey(f.CloneGroup)).Select(f => Replica(f)).ToHashSet();
            return [.. list.Files.Where(f => f.State == DropState.Copying && directories.Contains(f.Directory) && !running.ContainsKey(f.CloneGroup) && !(retries.TryGetValue(f.CloneGroup, out var retry) && retry.At > now && retry.At - now <= retry.Pause))
                .DistinctBy(Replica).Where(f => !busy.Contains(Replica(f))).Take(TransfersMax - running.Count)];
        }

        // Of an owner that is not protected any more the attempt says so.
        string Replica(DroppedFile file) => replicas.GetValueOrDefault(file.Base!.Owner, "");
    }

    private async Task SendAsync(DroppedFile file, CancellationToken stopping)
    {
        await Task.Yield();
        try
        {
            // The list is on the disk before a group is made at the replica that only the list knows of.
            lock (gate) list.Save();
            var result = await disks.ReplicateAsync(Request(file), stopping);
            var done = file with { State = DropState.Protected, Reason = null, OwnBytes = result.OwnBytes, Protected = time.GetUtcNow() };
            CloneLog.Protected(log, file.Shown, done.OwnBytes, result.BytesSent, result.Duration.TotalSeconds);
            Note(file, done);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Taken up when the agent starts again.
        }
        catch (ReplicationException e) when (e.InnerException is ImageFormatException)
        {
            CloneLog.Quarantined(log, file.Shown, ShownText.Of(e.Message));
            Note(file, file with { State = DropState.Quarantined, Reason = e.Message });
            disks.Forget(file.CloneGroup);
        }
        catch (Exception e)
        {
            // Whatever it was: the file is there, and has to get to the replica.
            var pause = Postpone(file);
            CloneLog.Retrying(log, file.Shown, ShownText.Of(e.Message), pause.TotalSeconds);
            Note(file, file with { Reason = e.Message });
        }
    }

    /// <summary>Each pause is twice the one before, up to the longest.</summary>
    private TimeSpan Postpone(DroppedFile file)
    {
        lock (gate)
        {
            var pause = retries.TryGetValue(file.CloneGroup, out var before) ? TimeSpan.FromTicks(Math.Min(before.Pause.Ticks * 2, RetryMax.Ticks)) : RetryFirst;
            retries[file.CloneGroup] = (time.GetUtcNow() + pause, pause);
            return pause;
        }
    }

    private void Note(DroppedFile before, DroppedFile after)
    {
        try
        {
            lock (gate)
            {
                if (after.State != DropState.Copying) retries.Remove(before.CloneGroup);
                // Renamed meanwhile, for one.
                if (list.Find(before.CloneGroup) is { } now) list.Update(after with { Name = now.Name });
                list.Save();
            }
        }
        catch (IOException e)
        {
            // It stays in memory, and what the disk says is only older: it is found out anew in the next life.
            CloneLog.ListFailed(log, e.Message);
        }
    }

    private CloneRequest Request(DroppedFile file)
    {
        var (found, image) = (file.Base!, file.Image!);
        var bases = BaseFiles.Of(disks.List());
        var written = Math.Clamp((file.Version.Modified - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond, 0, DeclaredClone.TimeUsMax);
        var disk = new SourceDisk(1, found.Disk, file.Path, image.Format, image.Length, image.SectorSize) { Seed = new SourceSeed(found.Seed, null) };
        return new CloneRequest(file.CloneGroup, new DeclaredClone(found.Owner, found.Disk, found.How, found.Called, written), disk, bases.Directories, new DropImageFiles(file, bases));
    }
}
