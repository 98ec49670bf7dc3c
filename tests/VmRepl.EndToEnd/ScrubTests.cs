using System.Globalization;
using System.Text.Json;
using VmRepl.EndToEnd.Disks;
using VmRepl.EndToEnd.Processes;

namespace VmRepl.EndToEnd;

/// <summary>One byte of a real store is flipped: <c>vmrepl scrub</c> names it and the points that it spoils, and the others restore.</summary>
internal sealed class ScrubTests
{
    private const string Group = "web";

    private ReplicationPair pair = null!;
    private PlainDisk disk = null!;
    private readonly Dictionary<ulong, string> moments = [];

    [SetUp]
    public void MakeThreePoints()
    {
        ExternalTool.Require("qemu-img", "qemu-io");
        pair = new ReplicationPair().Start();
        disk = PlainDisk.Create(pair.Root, "sda", "qcow2", sizeMiB: 32, dataMiB: 8, seed: 11);
        moments.Clear();
        pair.Protect(Group, disk.Argument).MustSucceed();
        Note();
        Change(4 << 20);
        Change(12 << 20);
    }

    [TearDown]
    public void Remove() => pair?.Dispose();

    [Test]
    public void Scrub_RunningReplica_IsCleanBesideRounds()
    {
        var first = pair.Run("scrub", Group).MustSucceed().Json;
        Assert.That(first.GetProperty("regionsNew").GetInt64(), Is.EqualTo(32));
        Assert.That(first.GetProperty("damage").GetArrayLength(), Is.Zero);
        Assert.That(pair.Run("scrub", Group, "--from", pair.Address).MustSucceed().Json.GetProperty("regionsVerified").GetInt64(), Is.EqualTo(32));
        for (var round = 0; round < 3; round++)
        {
            using var scrub = pair.Begin("scrub", Group);
            Change(round << 20);
            scrub.Wait(TimeSpan.FromSeconds(60)).MustSucceed();
        }

        // Beside a running replica a store is scrubbed through it.
        Assert.That(pair.Run("scrub", Group, "--store", pair.Store).MustSucceed().Json.GetProperty("regionsUnverified").GetInt64(), Is.Zero);
    }

    [Test]
    public void Status_AfterScrubs_TellsCoverageAgeAndDamage()
    {
        Assert.That(pair.Status(Group).GetProperty("scrub").GetProperty("finished").ValueKind, Is.EqualTo(JsonValueKind.Null), "none yet");
        pair.Run("scrub", Group).MustSucceed();
        Assert.That(Scrubbed().GetProperty("coveragePercent").GetDouble(), Is.Zero, "digests were taken, none compared");
        pair.Run("scrub", Group, "--rate", "1GiB").MustSucceed();
        Assert.That(Scrubbed().GetProperty("coveragePercent").GetDouble(), Is.EqualTo(100));
        Assert.That(Scrubbed().GetProperty("ageSeconds").GetDouble(), Is.InRange(0, 60));
        Assert.That(Scrubbed().GetProperty("damageCount").GetInt64(), Is.Zero);
        Change(3 << 20);
        pair.Run("scrub", Group).MustSucceed();
        Assert.That(Scrubbed().GetProperty("coveragePercent").GetDouble(), Is.InRange(50, 99));
        Assert.That(VmReplCommand.Run(pair.Socket, "status", Group).Output, Does.Match("last scrubbed .* ago, [0-9.]+ % of the live images verified, no damage"));
        pair.Replica!.Kill();
        Assert.That(pair.Status(Group).GetProperty("scrub").ValueKind, Is.EqualTo(JsonValueKind.Null), "nobody to be asked");

        JsonElement Scrubbed() => pair.Status(Group).GetProperty("scrub");
    }

    [Test]
    public void Scrub_WithARate_TakesItsTime()
    {
        var started = System.Diagnostics.Stopwatch.StartNew();
        pair.Run("scrub", Group, "--rate", "4MiB").MustSucceed();
        Assert.That(started.Elapsed, Is.GreaterThan(TimeSpan.FromSeconds(1.5)), "8 MiB of live images and more of journal");
    }

    [Test]
    public void Scrub_BareStoreAfterAKill_IsCleanAndKnowsTheDigests()
    {
        pair.Run("scrub", Group).MustSucceed();
        Change(20 << 20);
        pair.KillBoth();
        var report = Scrub().MustSucceed().Json;
        Assert.That(report.GetProperty("regionsNew").GetInt64(), Is.Zero);
        Assert.That(report.GetProperty("regionsVerified").GetInt64(), Is.EqualTo(31));
    }

    [Test]
    public void Scrub_ByteOfTheLiveImageFlipped_NamesTheRegionAndEveryPoint()
    {
        pair.Run("scrub", Group).MustSucceed();
        // Data of the baseline, that no round has touched.
        const long place = (16 << 20) + 4321;
        Flip(LiveImage, PayloadOffset() + place);
        var running = Damage(pair.Run("scrub", Group));
        Assert.That(Sectors(running), Is.EqualTo((place >> 20 << 11, 2048L)));
        Assert.That(Sequences(running), Is.EqualTo(moments.Keys.Order()));
        pair.KillBoth();
        Assert.That(Sequences(Damage(Scrub())), Is.EqualTo(moments.Keys.Order()));
        Flip(LiveImage, PayloadOffset() + place);
        Scrub().MustSucceed();
    }

    [Test]
    public void Scrub_ByteOfAPayloadFlipped_NamesThePointsThatDoNotRestoreAndNoOthers()
    {
        pair.KillBoth();
        // The first payload of the journal: at the end of its first segment.
        var segment = Path.Combine(pair.Store, "groups", Group, "journal", "segment-0000000001.vrj");
        Flip(segment, new FileInfo(segment).Length - 100);
        var damage = Damage(Scrub());
        Assert.That(damage.GetProperty("where").GetString(), Does.Contain("segment-0000000001.vrj"));
        var spoiled = Sequences(damage);
        Assert.That(spoiled, Is.Not.Empty);
        Assert.That(spoiled, Has.Count.LessThan(moments.Count));
        foreach (var (sequence, want) in moments)
        {
            var target = pair.Path($"restored-{sequence}");
            var restored = pair.Run("restore-vm", Group, "--to", target, "--at", sequence.ToString(CultureInfo.InvariantCulture), "--format", "raw", "--store", pair.Store);
            Assert.That(restored.ExitCode, Is.EqualTo(spoiled.Contains(sequence) ? 1 : 0), restored.ToString());
            if (restored.ExitCode == 0) Referee.Equal(want, "raw", Path.Combine(target, "sda.raw"), "raw");
        }
    }

    [Test]
    public void Scrub_ByteOfARecordFlipped_IsDamageAndNoFailure()
    {
        pair.KillBoth();
        var segment = Path.Combine(pair.Store, "groups", Group, "journal", "segment-0000000001.vrj");
        Flip(segment, 4096 + 40);
        Assert.That(Damage(Scrub()).GetProperty("where").GetString(), Does.Contain("segment-0000000001.vrj").And.Contain("commit 0 has one bit flipped"));
        Flip(segment, 4096 + 41);
        Assert.That(Damage(Scrub()).GetProperty("where").GetString(), Does.Contain("segment-0000000001.vrj").And.Contain("cannot be opened"));
    }

    [Test]
    public void Scrub_StoreWithoutAGroup_ScrubsEveryGroupAndTellsTheirDamage()
    {
        var other = PlainDisk.Create(pair.Root, "sdb", "raw", sizeMiB: 8, dataMiB: 2, seed: 12);
        pair.Protect("db", other.Argument).MustSucceed();
        // Beside the running replica it goes through it, and so takes digests.
        Assert.That(Groups(ScrubStore().MustSucceed()), Is.EqualTo(new[] { ("db", 0L), (Group, 0L) }));
        pair.KillBoth();
        var segment = Path.Combine(pair.Store, "groups", Group, "journal", "segment-0000000001.vrj");
        Flip(segment, new FileInfo(segment).Length - 100);
        var damaged = ScrubStore();
        Assert.That(damaged.ExitCode, Is.EqualTo(1), damaged.ToString());
        Assert.That(Groups(damaged), Is.EqualTo(new[] { ("db", 0L), (Group, 1L) }));
        Assert.That(damaged.Json.GetProperty("groups")[0].GetProperty("regionsVerified").GetInt64(), Is.EqualTo(8));
        var text = VmReplCommand.Run(null, "scrub", "--store", pair.Store);
        Assert.That(text.ExitCode, Is.EqualTo(1), text.ToString());
        Assert.That(text.Output, Does.Contain("Group db: clean").And.Contain($"Group {Group}: DAMAGED").And.Contain("2 groups, 1 clean, 1 damaged."));

        // A group that cannot be opened is told, and does not keep the others from being scrubbed.
        File.WriteAllText(Path.Combine(pair.Store, "groups", "db", "group.json"), "{");
        var failed = ScrubStore();
        Assert.That(failed.ExitCode, Is.EqualTo(1), failed.ToString());
        Assert.That(Groups(failed), Is.EqualTo(new[] { (Group, 1L) }));
        Assert.That(failed.Json.GetProperty("failures")[0].GetProperty("group").GetString(), Is.EqualTo("db"));
        Assert.That(pair.Run("scrub", "db", "--store", pair.Store).ExitCode, Is.EqualTo(1), "one group is as before");

        CommandResult ScrubStore() => pair.Run("scrub", "--store", pair.Store);
        static IEnumerable<(string, long)> Groups(CommandResult scrub) =>
            scrub.Json.GetProperty("groups").EnumerateArray().Select(g => (g.GetProperty("group").GetString()!, g.GetProperty("damageCount").GetInt64()));
    }

    [Test]
    public void Scrub_StoreWithoutGroups_IsClean()
    {
        pair.KillBoth();
        Directory.Delete(Path.Combine(pair.Store, "groups"), recursive: true);
        Assert.That(pair.Run("scrub", "--store", pair.Store).MustSucceed().Json.GetProperty("groups").GetArrayLength(), Is.Zero);
    }

    [Test]
    public void Scrub_InTheBackground_IsNoted()
    {
        pair.KillBoth();
        using var quick = new ReplicationPair(Directory.CreateTempSubdirectory("vmrepl-e2e-").FullName)
        {
            Store = pair.Store,
            ReplicaEnvironment = new Dictionary<string, string> { ["Scrub__Interval"] = "00:00:01", ["Scrub__BytesPerSecond"] = "104857600" },
        };
        quick.StartReplica();
        var noted = Path.Combine(pair.Store, "groups", Group, "scrub.json");
        for (var waited = 0; !File.Exists(noted) && waited < 300; waited++) Thread.Sleep(100);
        Assert.That(File.Exists(noted), quick.Logs);
        using var document = JsonDocument.Parse(File.ReadAllText(noted));
        Assert.That(document.RootElement.GetProperty("regionsNew").GetInt64() + document.RootElement.GetProperty("regionsVerified").GetInt64(), Is.EqualTo(32));
        Assert.That(document.RootElement.GetProperty("damageCount").GetInt64(), Is.Zero);
    }

    [Test]
    public void Scrub_GroupThatIsNotThere_IsNamed() => pair.Run("scrub", "other", "--from", pair.Address).MustFail(1, "other");

    private string LiveImage => Path.Combine(pair.Store, "groups", Group, "live", "sda.vhdx");

    private CommandResult Scrub() => pair.Run("scrub", Group, "--store", pair.Store);

    private void Change(int offset)
    {
        disk.Overwrite((offset, 64 << 10));
        pair.Sync(Group);
        Note();
    }

    private void Note()
    {
        var sequence = pair.Points(Group)[^1].GetProperty("sequence").GetUInt64();
        moments[sequence] = disk.Freeze(sequence.ToString(CultureInfo.InvariantCulture));
    }

    /// <summary>Where the disk begins in its container, as the VMDK descriptor beside it says.</summary>
    private long PayloadOffset() =>
        long.Parse(File.ReadLines(Path.ChangeExtension(LiveImage, ".vmdk")).First(l => l.StartsWith("RW ", StringComparison.Ordinal)).Split(' ')[^1], CultureInfo.InvariantCulture) * 512;

    private static void Flip(string file, long offset)
    {
        using var stream = File.Open(file, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        stream.Position = offset;
        var old = stream.ReadByte();
        stream.Position = offset;
        stream.WriteByte((byte)(old ^ 0x10));
    }

    private static JsonElement Damage(CommandResult scrub)
    {
        Assert.That(scrub.ExitCode, Is.EqualTo(1), scrub.ToString());
        Assert.That(scrub.Json.GetProperty("group").GetString(), Is.EqualTo(Group));
        Assert.That(scrub.Json.GetProperty("damage").GetArrayLength(), Is.EqualTo(1), scrub.ToString());
        return scrub.Json.GetProperty("damage")[0];
    }

    private static (long First, long Count) Sectors(JsonElement damage) => (damage.GetProperty("firstSector").GetInt64(), damage.GetProperty("sectorCount").GetInt64());

    private static List<ulong> Sequences(JsonElement damage) => [.. damage.GetProperty("points").EnumerateArray().Select(p => p.GetProperty("sequence").GetUInt64())];
}
