using VmRepl.EndToEnd.Disks;
using VmRepl.EndToEnd.Processes;

namespace VmRepl.EndToEnd.Budgets;

/// <summary>What crosses the wire for a disk of 2 GiB with 200 MiB of incompressible contents, by the product's counters and by the wire's own.</summary>
internal sealed class ByteBudgetTests
{
    private const string Group = "budget";
    private const long MiB = 1 << 20;
    private const int SizeMiB = 2048, DataMiB = 200, StepMiB = SizeMiB / DataMiB;
    private const long RoundMax = 12 * MiB / 10;
    private const long DigestMax = DataMiB * MiB / 1000;

    // On the wire and in no round's report: the farewell, of 10 bytes. Once there were 1599, of which nobody knows what they were: the message says how many connections there had been.
    private const long OtherMax = 8 << 10;

    private ReplicationPair pair = null!;
    private Relay wire = null!;
    private PlainDisk disk = null!;
    private long baselineSent;

    [OneTimeSetUp]
    public void MakeBaseline()
    {
        ExternalTool.Require("qemu-img", "qemu-io");
        pair = new ReplicationPair().Start();
        wire = new Relay(pair.Port);
        disk = PlainDisk.Create(pair.Root, "sda", "qcow2", SizeMiB, DataMiB, seed: 11);
        var report = pair.Run("protect", Group, "--disk", disk.Argument, "--to", wire.Address).MustSucceed().Json;
        baselineSent = report.GetProperty("bytesSent").GetInt64();
    }

    [OneTimeTearDown]
    public void Remove()
    {
        pair?.Dispose();
        wire?.Dispose();
    }

    [Test, Order(1)]
    public void Baseline_OfSparseDisk_SendsItsContentsAndLittleMore() => Assert.Multiple(() =>
    {
        Assert.That(baselineSent, Is.LessThan(205 * MiB));
        Assert.That(wire.Sent, Is.LessThan(205 * MiB));
        Assert.That(wire.Sent, Is.GreaterThanOrEqualTo(DataMiB * MiB), "the contents do not compress, so less cannot be a copy");
        Assert.That(baselineSent, Is.EqualTo(wire.Sent).Within(64 * 1024), "what is reported is what crossed the wire");
    });

    [Test, Order(2)]
    public void Round_WithNothingChanged_SendsDigestsOnly()
    {
        var (sent, digests, changed) = Sync();
        Assert.Multiple(() =>
        {
            Assert.That(changed, Is.Zero);
            Assert.That(digests, Is.Positive.And.LessThanOrEqualTo(DigestMax));
            Assert.That(sent, Is.LessThan(64 * 1024));
        });
    }

    // The second run begins one sector before a region: its first sector lies where nothing was allocated.
    [TestCase(50 * StepMiB * MiB), TestCase((70 * StepMiB * MiB) - 512), Order(3)]
    public void Round_WithOneRunChanged_SendsTheRun(long offset) => Check([(offset, (int)MiB)], changedMax: MiB + 8192);

    [Test, Order(4)]
    public void Round_WithScatteredBlocksChanged_SendsTheBlocks() =>
        // One or two blocks in every MiB of contents, never at the same place of it.
        Check(Enumerable.Range(0, 256).Select(i => (i % DataMiB * StepMiB * MiB + (i * 37 % 128 * 2 + (i / DataMiB)) * 4096L, 4096)), changedMax: MiB);

    [Test, Order(5)]
    public void Round_AfterChangeWithTimeSetBack_FindsIt()
    {
        var before = File.GetLastWriteTimeUtc(disk.File);
        disk.Overwrite((30L * StepMiB * MiB, 4096));
        File.SetLastWriteTimeUtc(disk.File, before);
        Assert.That(File.GetLastWriteTimeUtc(disk.File), Is.EqualTo(before));
        Assert.That(Sync().Changed, Is.EqualTo(4096));
        VerifyLiveImage();
    }

    private void Check(IEnumerable<(long Offset, int Length)> extents, long changedMax)
    {
        disk.Overwrite(extents);
        var (wireBefore, connectionsBefore) = (wire.Sent, wire.Connections);
        var (sent, digests, changed) = Sync();
        Assert.Multiple(() =>
        {
            Assert.That(changed, Is.GreaterThanOrEqualTo(MiB).And.LessThanOrEqualTo(changedMax));
            Assert.That(sent, Is.LessThan(RoundMax));
            Assert.That(wire.Sent - wireBefore, Is.EqualTo(sent).Within(OtherMax), $"what is reported is what crossed the wire, in {wire.Connections - connectionsBefore} connections");
            Assert.That(digests, Is.Positive.And.LessThanOrEqualTo(DigestMax));
        });
        VerifyLiveImage();
    }

    private (long Sent, long Digests, long Changed) Sync()
    {
        var report = pair.Sync(Group);
        return (report.GetProperty("bytesSent").GetInt64(), report.GetProperty("digestBytesSent").GetInt64(), report.GetProperty("changedBytes").GetInt64());
    }

    /// <summary>Few bytes are no merit if they are the wrong ones. Everything acknowledged is in the live image, which others read as it is.</summary>
    private void VerifyLiveImage() => Referee.Equal(disk.File, "qcow2", Path.Combine(pair.Store, "groups", Group, "live", "sda.vhdx"), "vhdx");
}
