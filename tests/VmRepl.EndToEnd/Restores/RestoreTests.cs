using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using VmRepl.EndToEnd.Disks;
using VmRepl.EndToEnd.Processes;

namespace VmRepl.EndToEnd.Restores;

/// <summary>One group with three points, restored every way there is; nothing writes to it after it was made, so the tests do not depend on each other.</summary>
internal sealed class RestoreTests
{
    private const string Group = "shop";
    private static readonly string[] Moments = ["first", "second", "third"];

    private readonly Dictionary<string, string> wanted = [];
    private readonly List<JsonElement> points = [];
    private ReplicationPair pair = null!;
    private PlainDisk disk = null!;
    private int targets;

    [OneTimeSetUp]
    public void MakeThreePoints()
    {
        ExternalTool.Require("qemu-img", "qemu-io");
        pair = new ReplicationPair().Start();
        disk = PlainDisk.Create(pair.Root, "sda", "vhdx", sizeMiB: 32, dataMiB: 8, seed: 5);
        File.WriteAllText(pair.Path("shop.xml"), Definition(0));
        pair.Run("protect", Group, "--disk", disk.Argument, "--to", pair.Address, "--definition", pair.Path("shop.xml"), "--metadata", "owner=Zoë & co <ops>").MustSucceed();
        for (var i = 0; i < Moments.Length; i++)
        {
            if (i > 0)
            {
                disk.Overwrite((i * (4L << 20), 300_032), ((i * (8L << 20)) + 512, 512));
                File.WriteAllText(pair.Path("shop.xml"), Definition(i));
                pair.Sync(Group);
            }

            pair.Bookmark(Group, Moments[i]);
            wanted[Moments[i]] = disk.Freeze(Moments[i]);
        }

        points.AddRange(pair.Points(Group));
    }

    [OneTimeTearDown]
    public void Remove() => pair?.Dispose();

    [Test]
    public void Points_ThroughAgentReplicaAndStore_AreTheSame()
    {
        var told = points.Select(p => p.ToString()).ToList();
        Assert.Multiple(() =>
        {
            Assert.That(points.Select(p => p.GetProperty("bookmark").GetString()), Is.EqualTo(Moments));
            Assert.That(points.Select(p => p.GetProperty("consistency").GetString()), Is.All.EqualTo("crash"));
            Assert.That(points.Select(p => p.GetProperty("time").GetString()), Is.Ordered.And.All.EndsWith("Z"));
            Assert.That(pair.Points(Group, "--from", pair.Address).Select(p => p.ToString()), Is.EqualTo(told));
            Assert.That(pair.Points(Group, "--store", pair.Store).Select(p => p.ToString()), Is.EqualTo(told));
        });
    }

    [Test]
    public void Restore_ThroughAgentReplicaAndStore_IsTheDiskOfThatMoment([Values("agent", "from", "store")] string way, [Values("first", "second", "third")] string moment) =>
        Verify(moment, ["--at", moment, .. Way(way)]);

    [Test]
    public void ImageDiff_OfTwoPoints_IsAnOverlayThatReadsAsTheOther([Values("agent", "from", "store")] string way)
    {
        var (old, changed) = (pair.Path($"old-{way}"), pair.Path($"diff-{way}.qcow2"));
        pair.Run(["restore-vm", Group, "--at", "first", "--to", old, "--format", "raw", .. Way(way)]).MustSucceed();
        var backing = Path.Combine(old, "sda.raw");
        var report = pair.Run(["image", "diff", "first", "third", changed, "--format", "qcow2", "--group", Group, "--disk", "sda", "--backing", backing, "--old-format", "raw", .. Way(way)]).MustSucceed().Json;
        Assert.That(report.GetProperty("bytesWritten").GetInt64(), Is.InRange(1, 2 << 20), "what two small rounds changed");
        Referee.Equal(wanted["third"], "raw", changed, "qcow2");
        var other = pair.Run(["image", "diff", "second", "third", changed + "2", "--format", "qcow2", "--group", Group, "--backing", backing, "--old-format", "raw", .. Way(way)]);
        Assert.That(other.ExitCode, Is.EqualTo(3), other.ToString());
        Assert.That(other.Error, Does.Contain("sda.raw is not the disk as of sequence"));
        Assert.That(File.Exists(changed + "2"), Is.False);
    }

    [Test]
    public void Restore_AtLatest_IsTheNewestPoint() => Verify("third", "--at", "latest");

    [Test]
    public void Restore_WithoutAt_IsTheNewestPoint() => Verify("third");

    [Test]
    public void Restore_AtSequence_IsThatPoint() => Verify("second", "--at", points[1].GetProperty("sequence").ToString());

    [TestCase(0, "second"), TestCase(-1, "first"), TestCase(3_600_000_000, "third")]
    public void Restore_AtTime_IsTheNewestPointAtOrBefore(long microseconds, string moment) =>
        Verify(moment, "--at", points[1].GetProperty("time").GetDateTimeOffset().AddMicroseconds(microseconds).ToString("O", CultureInfo.InvariantCulture));

    [Test]
    public void Restore_AtTimeOfAnotherZone_IsTheSameMoment() =>
        Verify("second", "--at", points[1].GetProperty("time").GetDateTimeOffset().ToOffset(TimeSpan.FromHours(5.5)).ToString("O", CultureInfo.InvariantCulture));

    [TestCase("never"), TestCase("1"), TestCase("18446744073709551615"), TestCase("2001-01-01T00:00:00Z")]
    public void Restore_AtUnknownPoint_SaysSoAndMakesNothing(string at)
    {
        foreach (var way in new[] { "agent", "from", "store" })
        {
            var target = NewTarget();
            pair.Run(["restore-vm", Group, "--to", target, "--at", at, .. Way(way)]).MustFail(1, Group, at.Split('T')[0]);
            Assert.That(Directory.Exists(target), Is.False);
        }
    }

    [TestCase("agent"), TestCase("from"), TestCase("store")]
    public void Restore_OfUnknownGroup_NamesIt(string way) => pair.Run(["restore-vm", "nobody", "--to", NewTarget(), .. Way(way)]).MustFail(1, "nobody");

    [Test]
    public void Restore_WhereTargetExists_IsRefusedAndLeavesItAlone()
    {
        var target = NewTarget();
        Directory.CreateDirectory(target);
        var file = Path.Combine(target, "sda.vhdx");
        File.WriteAllText(file, "mine");
        pair.Run("restore-vm", Group, "--to", target).MustFail(3, Group, target);
        Assert.That(File.ReadAllText(file), Is.EqualTo("mine"));
        Assert.That(Directory.GetFileSystemEntries(target), Is.EqualTo(new[] { file }));
    }

    [TestCase("agent"), TestCase("from"), TestCase("store")]
    public void Plan_OfAnyPoint_TouchesNothing(string way)
    {
        var target = NewTarget();
        var before = Listing();
        var plan = pair.Run(["restore-vm", Group, "--to", target, "--at", "second", "--format", "qcow2", "--plan", .. Way(way)]).MustSucceed().Json;
        Assert.Multiple(() =>
        {
            Assert.That(Listing(), Is.EqualTo(before));
            Assert.That(plan.GetProperty("bookmark").GetString(), Is.EqualTo("second"));
            Assert.That(plan.GetProperty("writeBytes").GetInt64(), Is.InRange(8L << 20, 12L << 20), "8 MiB were written when the disk was made, and a little since");
            Assert.That(plan.GetProperty("bytesPerSecond").GetDouble(), Is.Positive);
            Assert.That(plan.GetProperty("estimatedSeconds").GetDouble(), Is.Positive);
            Assert.That(plan.GetProperty("fits").GetBoolean(), Is.True);
            Assert.That(plan.GetProperty("disks")[0].GetProperty("file").GetString(), Is.EqualTo(Path.Combine(target, "sda.qcow2")));
        });
    }

    [Test]
    public void Store_ThatCannotBeWritten_IsEnough()
    {
        ExternalTool.RequireRoot();
        var copy = pair.Path("copy");
        var sealedOff = pair.Path("sealed");
        ExternalTool.Run("cp", "-a", pair.Store, copy);
        Directory.CreateDirectory(sealedOff);
        // A copy of a store that is at rest is a store; the one in use would be read through its replica.
        File.Delete(Path.Combine(copy, "replica.sock"));
        ExternalTool.Run("mount", "--bind", copy, sealedOff);
        try
        {
            ExternalTool.Run("mount", "-o", "remount,ro,bind", sealedOff);
            foreach (var moment in Moments) Verify(moment, "--at", moment, "--store", sealedOff);
        }
        finally
        {
            ExternalTool.Run("umount", sealedOff);
        }
    }

    [Test]
    public void Store_ThatIsNone_SaysSo()
    {
        var nothing = Directory.CreateDirectory(pair.Path("nothing")).FullName;
        pair.Run("points", Group, "--store", nothing).MustFail(1, nothing);
        Assert.That(Directory.EnumerateFileSystemEntries(nothing), Is.Empty);
    }

    [TestCase("../x"), TestCase("a/b"), TestCase(".hidden"), TestCase("")]
    public void Restore_OfGroupWithBadName_IsUsage(string name)
    {
        var result = VmReplCommand.Run(pair.Socket, "restore-vm", name, "--to", NewTarget(), "--store", pair.Store);
        Assert.That(result.ExitCode, Is.EqualTo(2), result.ToString());
    }

    private void Verify(string moment, params string[] arguments)
    {
        var target = NewTarget();
        var report = pair.Run(["restore-vm", Group, "--to", target, .. arguments]).MustSucceed().Json;
        var file = Path.Combine(target, "sda.vhdx");
        Referee.Equal(wanted[moment], "raw", file, "vhdx");
        var index = Array.IndexOf(Moments, moment);
        var metadata = JsonDocument.Parse(File.ReadAllText(Path.Combine(target, "metadata.json"))).RootElement;
        using var want = File.OpenRead(wanted[moment]);
        var sha256 = Convert.ToHexStringLower(SHA256.HashData(want));
        Assert.Multiple(() =>
        {
            Assert.That(report.GetProperty("sequence").GetUInt64(), Is.EqualTo(points[index].GetProperty("sequence").GetUInt64()));
            Assert.That(report.GetProperty("disks")[0].GetProperty("sha256").GetString(), Is.EqualTo(sha256));
            Assert.That(metadata.GetProperty("disks")[0].GetProperty("sha256").GetString(), Is.EqualTo(sha256));
            Assert.That(metadata.GetProperty("bookmark").GetString(), Is.EqualTo(moment));
            Assert.That(metadata.GetProperty("metadata").GetProperty("owner").GetString(), Is.EqualTo("Zoë & co <ops>"));
            Assert.That(File.ReadAllText(Path.Combine(target, "definition")), Is.EqualTo(Definition(index)), "the definition as it was at that point");
            Assert.That(Directory.GetFileSystemEntries(target), Has.Length.EqualTo(3));
        });
        Directory.Delete(target, recursive: true);
    }

    private string[] Way(string way) => way switch
    {
        "from" => ["--from", pair.Address],
        "store" => ["--store", pair.Store],
        _ => [],
    };

    private string NewTarget() => pair.Path($"target-{++targets}");

    /// <summary>Every file there is, with its size and time of change.</summary>
    private List<string> Listing() =>
        [.. new DirectoryInfo(pair.Root).EnumerateFileSystemInfos("*", SearchOption.AllDirectories)
            .Select(f => $"{f.FullName} {f.LastWriteTimeUtc:O} {(f as FileInfo)?.Length}").Order(StringComparer.Ordinal)];

    private static string Definition(int moment) => $"<domain><name>{Group}</name><description>moment {moment}</description></domain>\n";
}
