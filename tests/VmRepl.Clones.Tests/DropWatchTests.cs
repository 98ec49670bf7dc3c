using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using VmRepl.Clones.Drops;
using VmRepl.Images;
using VmRepl.Replication;

namespace VmRepl.Clones.Tests;

/// <summary>The whole of it over real files, with a replica that is made up.</summary>
[Platform("Linux")]
public class DropWatchTests
{
    private static DropWatch Watch(DropStage stage) => new([stage.Drops], new DropList(stage.State), stage.Disks, Guid.NewGuid, TimeProvider.System, NullLogger.Instance);

    private static async Task<IReadOnlyList<DroppedFile>> RunUntilAsync(DropWatch watch, Func<IReadOnlyList<DroppedFile>, bool> holds)
    {
        using var stopping = new CancellationTokenSource();
        var running = watch.RunAsync(stopping.Token);
        var waited = Stopwatch.StartNew();
        while (!holds(watch.Files))
        {
            Assert.That(running.IsCompleted, Is.False, $"{running.Exception}");
            Assert.That(waited.Elapsed, Is.LessThan(TimeSpan.FromSeconds(30)), string.Join('\n', watch.Files));
            await Task.Delay(10);
        }

        stopping.Cancel();
        try
        {
            await running;
        }
        catch (OperationCanceledException)
        {
            // As it should be.
        }

        return watch.Files;
    }

    [Test]
    public async Task Clone_Dropped_IsSentOnceAndKeptInMind()
    {
        using var stage = new DropStage();
        stage.Protect("web", DropStage.Contents(2));
        DropStage.Make(stage.Drop("copy"), DropStage.Contents(2), ImageFormat.Vhdx);
        File.WriteAllText(stage.Drop("notes"), "none");
        var files = await RunUntilAsync(Watch(stage), f => f.Any(x => x.State == DropState.Protected) && f.Any(x => x.State == DropState.Quarantined));
        var again = Watch(stage);
        Assert.That(again.Files, Is.EqualTo(files), "what it knows is durable");
        Assert.That(again.Look(), Is.True);
        Assert.That(again.Files, Is.EqualTo(files));
        var request = stage.Disks.Requests.Single();
        Assert.Multiple(() =>
        {
            Assert.That((request.CloneOf.Owner, request.CloneOf.Name, request.Disk.Seed?.File, request.Disk.Format), Is.EqualTo(("web", "copy", "group:web/sda", ImageFormat.Vhdx)));
            Assert.That(files.Single(f => f.Name == "copy").OwnBytes, Is.EqualTo(4000));
        });
    }

    [Test]
    public async Task Clone_WhoseReplicaIsAway_IsTriedAgainUnderTheSameNameInTheNextLifeToo()
    {
        using var stage = new DropStage();
        stage.Protect("web", DropStage.Contents(2));
        DropStage.Make(stage.Drop("copy"), DropStage.Contents(2), ImageFormat.Qcow2);
        stage.Disks.Replica = _ => throw new ReplicationException("web", "it is away", "");
        var files = await RunUntilAsync(Watch(stage), f => stage.Disks.Requests.Count >= 2 && f[0].Reason == "it is away");
        Assert.That(files[0].State, Is.EqualTo(DropState.Copying));
        // Renamed in between: what was said of it to the replica has to be said again.
        File.Move(stage.Drop("copy"), stage.Drop("renamed"));
        stage.Disks.Replica = _ => { };
        await RunUntilAsync(Watch(stage), f => f[0].State == DropState.Protected);
        Assert.That(stage.Disks.Requests.Select(r => (r.Group, r.CloneOf)).Distinct().Count(), Is.EqualTo(1));
        Assert.That(stage.Disks.Requests[^1].Disk.File, Is.EqualTo(stage.Drop("renamed")));
    }

    [Test]
    public async Task Clone_InTheList_IsDurableBeforeTheReplicaHearsOfIt()
    {
        using var stage = new DropStage();
        stage.Protect("web", DropStage.Contents(2));
        DropStage.Make(stage.Drop("copy"), DropStage.Contents(2));
        DroppedFile? known = null;
        stage.Disks.Replica = request => known = new DropList(stage.State).Find(request.Group);
        await RunUntilAsync(Watch(stage), f => f.Any(x => x.State == DropState.Protected));
        Assert.That((known?.State, known?.Base?.Owner), Is.EqualTo((DropState.Copying, "web")));
    }

    [Test]
    public async Task File_LikeNothing_IsLookedAtAgainWhenSomethingElseIsProtected()
    {
        using var stage = new DropStage();
        stage.Protect("web", DropStage.Contents(2));
        DropStage.Make(stage.Drop("copy"), DropStage.Contents(3));
        await RunUntilAsync(Watch(stage), f => f.Any(x => x.State == DropState.Quarantined));
        stage.Protect("mail", DropStage.Contents(3));
        await RunUntilAsync(Watch(stage), f => f.Any(x => x.State == DropState.Protected));
        Assert.That(stage.Disks.Requests.Single().CloneOf.Owner, Is.EqualTo("mail"));
    }

    [Test]
    public async Task Directory_ThatIsAway_CountsAsUnknownAndNotAsEmpty()
    {
        using var stage = new DropStage();
        stage.Protect("web", DropStage.Contents(2));
        DropStage.Make(stage.Drop("copy"), DropStage.Contents(2));
        await RunUntilAsync(Watch(stage), f => f.Any(x => x.State == DropState.Protected));
        Directory.Move(stage.Drops, stage.Drops + "-away");
        var watch = Watch(stage);
        watch.Look();
        Assert.That(watch.Files.Single().State, Is.EqualTo(DropState.Protected));
    }

    [Test]
    public void Look_AtManyOlderFiles_CostsLittle()
    {
        const int files = 2_000;
        using var stage = new DropStage();
        stage.Protect("web", DropStage.Contents(2));
        for (var i = 0; i < files; i++) File.WriteAllText(stage.Drop($"older-{i}"), $"notes {i}");
        var watch = Watch(stage);
        Thread.Sleep(1100);
        var (started, allocated) = (Stopwatch.GetTimestamp(), GC.GetAllocatedBytesForCurrentThread());
        while (!watch.Look())
        {
        }

        TestContext.Out.WriteLine($"first look: {Stopwatch.GetElapsedTime(started).TotalMilliseconds:0} ms, {(GC.GetAllocatedBytesForCurrentThread() - allocated) >> 20} MiB allocated");
        (started, allocated) = (Stopwatch.GetTimestamp(), GC.GetAllocatedBytesForCurrentThread());
        watch.Look();
        var again = Stopwatch.GetElapsedTime(started);
        TestContext.Out.WriteLine($"later look: {again.TotalMilliseconds:0} ms, {(GC.GetAllocatedBytesForCurrentThread() - allocated) >> 20} MiB allocated");
        Assert.That(watch.Files.Count(f => f.State == DropState.Quarantined), Is.EqualTo(files));
        Assert.That(again, Is.LessThan(TimeSpan.FromSeconds(1)));
    }

    [Test]
    public void List_OfTheLongestNamesAndReasons_IsReadAgain()
    {
        using var stage = new DropStage();
        var name = new string('\u001b', 255);
        var list = new DropList(stage.State);
        list.Replace([.. Enumerable.Range(0, DropList.FilesMax).Select(i => new DroppedFile($"clone-{i:x32}", stage.Drops, name, new FileVersion(1, (ulong)i, long.MaxValue, long.MaxValue), DateTimeOffset.MaxValue, DropState.Quarantined) { Reason = new string('\u0001', 5000) })]);
        list.Save();
        var again = new DropList(stage.State);
        Assert.That(again.Files, Is.EqualTo(list.Files));
        Assert.That(again.Files[0].Reason, Has.Length.LessThan(500).And.Not.Contains("\u0001"));
    }

    [Test]
    public async Task Name_ThatSteersATerminal_IsNeitherAPathNorShown()
    {
        using var stage = new DropStage();
        stage.Protect("web", DropStage.Contents(2));
        var name = "..\u001b[2J\nclone\\";
        DropStage.Make(stage.Drop(name), DropStage.Contents(2));
        File.WriteAllText(stage.Drop(name + "2"), "none");
        var files = await RunUntilAsync(Watch(stage), f => f.Any(x => x.State == DropState.Protected) && f.Any(x => x.State == DropState.Quarantined));
        Assert.That(files.Select(f => f.Reason ?? ""), Has.None.Contains("\u001b"));
        Assert.That(Protocol.Names.CloneGroupName.IsValid(stage.Disks.Requests.Single().Group), Is.True);
    }
}
