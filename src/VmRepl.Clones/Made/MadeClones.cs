using System.Globalization;
using Microsoft.Extensions.Logging;
using VmRepl.Blocks.Files;
using VmRepl.Images;
using VmRepl.Images.Opening;
using VmRepl.Journal.Points;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Messages;
using VmRepl.Protocol.Names;
using VmRepl.Replication;
using VmRepl.Replication.Reading;
using VmRepl.Replication.Source;
using VmRepl.Replication.Source.Following;

namespace VmRepl.Clones.Made;

/// <summary>
/// Makes clones of served groups in step with the replica: the operation takes a place in the group's order, and is carried out on both sides from there.
/// <code>
/// what happens                                  if the process ends here
/// the intent, and empty files                   removed at the next start
/// the record has its place; disks are frozen    the same: nobody was told of it. At the replica the record says that something was begun, and nothing more
/// the place is known, "copying"                 at the replica it goes on; here the frozen contents are gone, and come back from the replica
/// the files are whole and durable               at the replica it goes on
/// each disk is whole at the replica             found out there
/// "protected"                                   nothing more is done
/// </code>
/// At the replica each disk is made of the point at the clone's place, without anything being compared, where that point is used to its end. Otherwise the file here is compared by digests.
/// </summary>
public sealed class MadeClones
{
    // What whoever asked for a clone waits for the replica, once the files are whole here.
    private static readonly TimeSpan AnswerAfter = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan RetryFirst = TimeSpan.FromSeconds(1), RetryMax = TimeSpan.FromSeconds(30);

    private readonly IHostDirectory directory;
    private readonly SourceAgent agent;
    private readonly Func<Guid> newGuid;
    private readonly TimeProvider time;
    private readonly ILogger log;
    private readonly CancellationToken stopping;
    private readonly Lock gate = new();
    private readonly List<MadeClone> clones = [];
    private readonly List<Task> running = [];

    /// <param name="directory">The agent's own, which nobody else may look into; made by the caller, or with the first clone.</param>
    /// <param name="stopping">Cancelled when the agent ends.</param>
    public MadeClones(IHostDirectory directory, SourceAgent agent, Func<Guid> newGuid, TimeProvider time, ILogger log, CancellationToken stopping)
    {
        (this.directory, this.agent, this.newGuid, this.time, this.log, this.stopping) = (directory, agent, newGuid, time, log, stopping);
        if (!directory.Exists) return;
        foreach (var id in directory.ListDirectories().Where(n => Guid.TryParseExact(n, "n", out _))) Take(id);

        clones.Sort((a, b) => a.Asked.CompareTo(b.Asked));
    }

    /// <summary>Everything that is known of, oldest first.</summary>
    public IReadOnlyList<MadeClone> Clones
    {
        get
        {
            lock (gate) return [.. clones];
        }
    }

    /// <summary>Full path of a disk's file here.</summary>
    public string PathOf(MadeClone clone, MadeDisk disk) => new MadeDirectory(directory, clone.Id).PathOf(disk);

    /// <summary>Full path of a clone's directory.</summary>
    public string PathOf(MadeClone clone) => new MadeDirectory(directory, clone.Id).Path;

    /// <summary>Goes on with what an earlier life of the agent left.</summary>
    public void Resume()
    {
        lock (gate) running.AddRange(clones.Where(c => c.State == MadeState.Copying).Select(c => GoOnAsync(c.Id, Task.CompletedTask)));
    }

    /// <summary>Waits until what runs has seen that the agent stops.</summary>
    public async Task DrainAsync()
    {
        Task[] ending;
        lock (gate) ending = [.. running];
        await Task.WhenAll(ending);
    }

    /// <summary>Makes a clone of every disk of a group.</summary>
    /// <returns>The clone when its files are durable here and the replica has it, or has not been reached for a while; then it goes on.</returns>
    /// <exception cref="ReplicationException">It was refused, or could not be copied here.</exception>
    public async Task<MadeClone> MakeAsync(string group, string name)
    {
        var disks = Examine(group, name);
        var clone = new MadeClone(newGuid().ToString("n"), group, name, time.GetUtcNow(), MadeState.Intent, [.. disks.Select(d => new MadeDisk(d.Name, CloneGroupName.Of(newGuid()), d.Length, d.SectorSize))]);
        lock (gate)
        {
            RefuseIfTaken(group, name);
            clones.Add(clone);
        }

        var here = new MadeDirectory(directory, clone.Id);
        var files = new Dictionary<string, IHostFile>(StringComparer.Ordinal);
        FrozenGroup? frozen = null;
        try
        {
            here.Create(clone);
            foreach (var disk in clone.Disks) files.Add(disk.Name, here.CreateFile(disk));
            frozen = await agent.FreezeAsync(group, clone.Id, name, files);
            clone = clone with { State = MadeState.Copying, Sequence = frozen.Sequence, TimeUs = frozen.TimeUs, HoldMs = frozen.Hold.TotalMilliseconds };
            Save(clone);
        }
        catch (Exception e)
        {
            await GiveUpAsync(clone, here, files, frozen);
            if (e is IOException or UnauthorizedAccessException) throw new ReplicationException(group, $"group {group}: the clone {name} was not made: {e.Message}", "Look at the volume of the agent's state.", cause: e);
            throw;
        }

        var copying = CopyAsync(clone.Id, files, frozen.Copied);
        var whole = GoOnAsync(clone.Id, copying, frozen.Durable);
        lock (gate)
        {
            running.RemoveAll(t => t.IsCompleted);
            running.Add(whole);
        }

        await copying;
        await Task.WhenAny(whole, Task.Delay(AnswerAfter, time, stopping));
        var made = Find(clone.Id);
        if (made.State == MadeState.Failed) throw new ReplicationException(group, $"group {group}: the clone {name} was not made: {made.Reason}", "Make room on the volume of the agent's state, then make it again.");
        return made;
    }

    private void Take(string id)
    {
        try
        {
            var found = new MadeDirectory(directory, id);
            if (found.Read() is { State: not MadeState.Intent } clone && clone.Id == id) clones.Add(clone);
            else found.Delete();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Nothing is removed of which it is not known what it is.
            CloneLog.MadeNotKept(log, id, e.Message);
        }
    }

    private IReadOnlyList<SourceDisk> Examine(string group, string name)
    {
        if (!CloneNameRule.IsValid(name)) throw new ReplicationException(group, $"group {group}: that is no name for a clone: {CloneNameRule.Text}", "", isRefusal: true);
        var status = agent.StatusOf(group);
        if (status.Definition.Capture != CaptureMode.Served)
            throw new ReplicationException(group, $"group {group} is not served, so another process may hold its images and write them: no clone can be made in step", "Protect it with --capture served, or drop a copy into a directory that the agent watches (--clones).", isRefusal: true);
        if (status.Following is not { IsFollowed: true })
            throw new ReplicationException(group, $"group {group} is not in sync ({status.Phase}), so no clone can be made in step", "Wait until vmrepl status says in-sync, or vmrepl sync it, then try again.", isRefusal: true);
        return status.Definition.Disks;
    }

    private void RefuseIfTaken(string group, string name)
    {
        if (clones.Exists(c => c.Group == group && c.Name == name && c.State != MadeState.Failed)) throw new ReplicationException(group, $"group {group} has a made clone of that name", "Choose another name; vmrepl clones lists them.", isRefusal: true);
        if (clones.Exists(c => c.Group == group && c.State is MadeState.Intent or MadeState.Copying && !c.Disks.All(d => d.IsCopied)))
            throw new ReplicationException(group, $"group {group}: another clone is being copied", "Wait until vmrepl clones says that it is protected.", isRefusal: true);
    }

    /// <summary>Nothing is left of a clone that got no place that anybody knows of.</summary>
    private async Task GiveUpAsync(MadeClone clone, MadeDirectory here, Dictionary<string, IHostFile> files, FrozenGroup? frozen)
    {
        if (frozen is not null) await Quiet(frozen.Copied);
        foreach (var file in files.Values) file.Dispose();
        lock (gate) clones.RemoveAll(c => c.Id == clone.Id);
        try
        {
            here.Delete();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It is an intent still, and goes at the next start.
            CloneLog.MadeNotKept(log, clone.Name, e.Message);
        }
    }

    /// <summary>Waits for the copy of the frozen contents and makes it durable. What fails is noted.</summary>
    private async Task CopyAsync(string id, Dictionary<string, IHostFile> files, Task copied)
    {
        string? failure = null;
        try
        {
            await copied;
            foreach (var file in files.Values) file.Flush();
            Change(id, c => c with { Disks = [.. c.Disks.Select(d => d with { IsCopied = true })] });
        }
        catch (OperationCanceledException)
        {
            // The agent ends: what is missing comes back from the replica.
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            failure = e.Message;
        }
        finally
        {
            foreach (var file in files.Values) file.Dispose();
        }

        if (failure is not null) Fail(id, failure);
    }

    /// <summary>Sees to it that the replica has every disk, and that the files here are whole, however often that takes.</summary>
    /// <param name="copying">Ends when nothing is copied here any more, well or not.</param>
    /// <param name="durable">Whether the replica has the record of the clone; null where that was long ago.</param>
    private async Task GoOnAsync(string id, Task copying, Task<bool>? durable = null)
    {
        await Task.Yield();
        var pause = RetryFirst;
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                // Where that is not known it may be there all the same: the point is asked for.
                if (durable is not null) await durable.WaitAsync(stopping);
                if (await TryGoOnAsync(id, copying)) return;
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is ReplicationException or IOException or UnauthorizedAccessException or StoreException or RefusedException or Protocol.ProtocolException)
            {
                CloneLog.Retrying(log, Find(id).Name, e.Message, pause.TotalSeconds);
                Change(id, c => c.State == MadeState.Copying ? c with { Reason = e.Message } : c);
            }

            try
            {
                await Task.Delay(pause, time, stopping);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            pause = TimeSpan.FromTicks(Math.Min(pause.Ticks * 2, RetryMax.Ticks));
        }
    }

    /// <returns>Whether nothing is left to be done. False: something was found out, and it goes on another way.</returns>
    private async Task<bool> TryGoOnAsync(string id, Task copying)
    {
        foreach (var disk in Find(id).Disks.Where(d => d.Protected is null && !d.IsCompared))
        {
            try
            {
                await ReplicateAsync(id, disk, isSeedWhole: true);
            }
            catch (ReplicationException e) when (e.IsRefusal)
            {
                // For good: what was taken from elsewhere meanwhile would not be compared otherwise.
                CloneLog.Compared(log, Find(id).Name, disk.Name, e.Message);
                Save(With(Find(id), disk.Name, d => d with { IsCompared = true }));
            }
        }

        await copying;
        stopping.ThrowIfCancellationRequested();
        if (Find(id) is { State: not MadeState.Failed } lost && lost.Disks.FirstOrDefault(d => d is { IsCompared: true, IsCopied: false, Protected: null }) is { } nowhere)
        {
            Fail(id, $"the agent ended while disk {nowhere.Name} was being copied, and the replica cannot make it of sequence {lost.Sequence} any more");
            return true;
        }

        foreach (var disk in Find(id).Disks.Where(d => d is { Protected: null, IsCopied: true })) await ReplicateAsync(id, disk, isSeedWhole: false);
        if (Find(id).State != MadeState.Failed)
        {
            foreach (var disk in Find(id).Disks.Where(d => d is { IsCopied: false, Protected: not null })) await FetchAsync(id, disk);
        }

        Change(id, c => c.State == MadeState.Copying && c.Disks.All(d => d.IsCopied && d.Protected is not null) ? c with { State = MadeState.Protected, Reason = null } : c);
        var now = Find(id);
        if (now.State == MadeState.Protected) CloneLog.MadeProtected(log, now.Name, now.Disks.Sum(d => d.OwnBytes), (time.GetUtcNow() - now.Asked).TotalSeconds);
        return now.State != MadeState.Copying;
    }

    private async Task ReplicateAsync(string id, MadeDisk disk, bool isSeedWhole)
    {
        var clone = Find(id);
        var seed = PointSeedName.Of(clone.Group, disk.Name, isSeedWhole ? clone.Sequence.ToString(CultureInfo.InvariantCulture) : null);
        var source = new SourceDisk(1, disk.Name, PathOf(clone, disk), ImageFormat.Raw, disk.Length, disk.SectorSize) { Seed = new SourceSeed(seed, null) };
        var request = new CloneRequest(disk.CloneGroup, new DeclaredClone(clone.Group, disk.Name, $"{clone.Group}/{disk.Name}, {clone.How}", clone.Name, clone.TimeUs), source, [], HostImageFiles.Instance) { IsSeedWhole = isSeedWhole };
        var result = await agent.ReplicateCloneAsync(request, stopping);
        ChangeDisk(id, disk.Name, d => d with { OwnBytes = d.OwnBytes + result.OwnBytes, Protected = time.GetUtcNow() });
    }

    /// <summary>What could not be copied to its end here is read from the replica, which has all of it.</summary>
    private async Task FetchAsync(string id, MadeDisk disk)
    {
        var clone = Find(id);
        var transport = await agent.ConnectorOf(clone.Group).ConnectTransportAsync(stopping);
        await using var reader = await ReplicaPastReader.OpenAsync(new FramedConnection(transport), stopping);
        await using var view = await reader.OpenAsync(disk.CloneGroup, PointSelector.Latest, stopping);
        new MadeDirectory(directory, id).Fill(disk, view.Open(view.Disks.Single(d => d.Name == disk.Name)), stopping);
        CloneLog.Fetched(log, clone.Name, disk.Name);
        ChangeDisk(id, disk.Name, d => d with { IsCopied = true });
    }

    private void Fail(string id, string reason)
    {
        CloneLog.MadeFailed(log, Find(id).Name, reason);
        Change(id, c => c with { State = MadeState.Failed, Reason = reason });
        try
        {
            // Part of a disk is no use to anybody, and the room is needed.
            new MadeDirectory(directory, id).DeleteFiles(Find(id));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            CloneLog.MadeNotKept(log, Find(id).Name, e.Message);
        }
    }

    private MadeClone Find(string id)
    {
        lock (gate) return clones.Find(c => c.Id == id)!;
    }

    private void ChangeDisk(string id, string disk, Func<MadeDisk, MadeDisk> change) => Change(id, c => With(c, disk, change));

    private static MadeClone With(MadeClone clone, string disk, Func<MadeDisk, MadeDisk> change) => clone with { Disks = [.. clone.Disks.Select(d => d.Name == disk ? change(d) : d)] };

    /// <summary>What cannot be made durable stays in memory, and is found out anew in the next life.</summary>
    private void Change(string id, Func<MadeClone, MadeClone> change)
    {
        lock (gate)
        {
            var next = change(Find(id));
            try
            {
                Save(next);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                clones[clones.FindIndex(c => c.Id == id)] = next;
                CloneLog.MadeNotKept(log, next.Name, e.Message);
            }
        }
    }

    /// <exception cref="IOException">It is as it was.</exception>
    private void Save(MadeClone clone)
    {
        lock (gate)
        {
            var at = clones.FindIndex(c => c.Id == clone.Id);
            if (clones[at] == clone) return;
            new MadeDirectory(directory, clone.Id).Write(clone);
            clones[at] = clone;
        }
    }

    private static Task Quiet(Task task) => task.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
}
