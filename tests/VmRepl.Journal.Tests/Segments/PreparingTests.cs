extern alias simulation;
using simulation::VmRepl.Simulation.Storage;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Segments;
using VmRepl.Protocol.MessagePack;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Tests.Segments;

/// <summary>Space that is written before a commit comes.</summary>
public class PreparingTests
{
    private const long SegmentBytes = 1 << 20;
    private const long Step = SegmentBytes / 16;

    private readonly MessagePackWriter writer = new(64 << 10);
    private IHostDirectory directory = null!;
    private SegmentFile segment = null!;
    private uint checksum;
    private ulong sequence;

    [SetUp]
    public void Make()
    {
        directory = new SimulatedVolume(1, 1L << 30).Directory("journal");
        directory.Create();
        (checksum, sequence) = (0, 0);
        segment = Create(1, spare: null);
    }

    [TearDown]
    public void Close() => segment.Dispose();

    [Test]
    public void Commits_AfterIt_OverwriteWhatWasWritten_AndAreRead()
    {
        Commit(512);
        segment.PrepareAhead(_ => true);
        var written = Written();
        Assert.That(written, Has.Length.EqualTo(2));
        Assert.That(written[0].End, Is.InRange(segment.RecordsEnd + Step - SegmentLayout.PayloadAlignment, segment.RecordsEnd + Step + SegmentLayout.PayloadAlignment));
        Assert.That((written[1].Offset, written[1].End), Is.EqualTo((SegmentBytes - Step, SegmentBytes)));

        for (var i = 0; i < 3; i++) Commit(512);
        Commit(SegmentLayout.SmallCommitBytes + 4096);
        segment.PrepareAhead(_ => true);
        Assert.That(Written(), Is.EqualTo(written), "there is enough ahead");
        segment.Flush();
        using var again = SegmentFile.Open(directory, SegmentLayout.FileName(1), HostFileAccess.Read);
        Assert.That(Count(again), Is.EqualTo(5));
    }

    /// <summary>Up to where the two sides meet, and no further.</summary>
    [Test]
    public void Segment_FilledToItsEnd_LosesNothing()
    {
        while (segment.Fits(1024, 40 << 10))
        {
            Commit(40 << 10);
            segment.PrepareAhead(_ => true);
        }

        while (segment.Fits(1024, 0))
        {
            Commit(512);
            segment.PrepareAhead(_ => true);
        }

        segment.Flush();
        using var again = SegmentFile.Open(directory, SegmentLayout.FileName(1), HostFileAccess.Read);
        Assert.That(Count(again), Is.EqualTo((int)sequence));
    }

    [Test]
    public void Volume_ThatCanSpareNothing_IsLeftAlone()
    {
        Commit(512);
        var written = Written();
        segment.PrepareAhead(_ => false);
        Assert.That(Written(), Is.EqualTo(written));
    }

    [Test]
    public void Segment_ThatIsUsedAgain_WasWrittenBefore()
    {
        segment.Dispose();
        directory.Rename(SegmentLayout.FileName(1), SegmentLayout.SparePrefix + SegmentLayout.FileName(1));
        segment = Create(2, SegmentLayout.SparePrefix + SegmentLayout.FileName(1));
        var written = Written();
        segment.PrepareAhead(_ => throw new InvalidOperationException("nothing is taken"));
        Assert.That(Written(), Is.EqualTo(written));
    }

    private static int Count(SegmentFile segment)
    {
        var commits = 0;
        ulong incarnation = 0;
        while (segment.ReadCommit(segment.LastChecksum, ref incarnation) is { } commit)
        {
            commits++;
            foreach (var record in commit.Stored) Assert.That(segment.ReadPayload(record.Ref), Is.All.EqualTo((byte)record.Header.Sequence));
        }

        return commits;
    }

    private SegmentFile Create(ulong serial, string? spare) => SegmentFile.Create(directory, spare, new SegmentHeader(serial, serial, SegmentBytes, 0, 0), new SegmentHandles());

    private void Commit(int bytes)
    {
        var fill = Enumerable.Repeat((byte)++sequence, bytes).ToArray();
        var record = Record.Create(new RecordHeader { Kind = RecordKind.Write, Sequence = sequence, Epoch = 1, Disk = 1, Length = bytes }, fill);
        checksum = segment.WriteCommit([record], 1, checksum, writer).Checksum;
    }

    private FileRun[] Written()
    {
        using var file = directory.Open(SegmentLayout.FileName(segment.Serial), HostFileAccess.Read);
        return [.. file.Map(0, SegmentBytes).Where(r => !r.IsHole)];
    }
}
