using VmRepl.Blocks;
using VmRepl.Protocol.MessagePack;
using VmRepl.Protocol.Messages;
using VmRepl.Protocol.Records;
using VmRepl.Protocol.Tests.Records;

namespace VmRepl.Protocol.Tests.Messages;

/// <summary>Well-formed messages that no honest peer sends.</summary>
public class MessageRefusalTests
{
    private static readonly DiskDeclaration Disk = new(1, "system", 1 << 20, 512, "raw");

    private static readonly TestCaseData[] Refused =
    [
        Case("hello protocol max", new Hello(2, 1, [], Guid.Empty, "", Hello.Replicate)),
        Case("hello protocol min", new Hello(0, 1, [], Guid.Empty, "", Hello.Replicate)),
        Case("hello purpose", new Hello(1, 1, [], Guid.Empty, "", "destroy")),
        Case("hello capabilities", new Hello(1, 1, new string[MessageLimits.MaxCapabilities + 1].Select(_ => "x").ToArray(), Guid.Empty, "", Hello.Replicate)),
        Case("hello capabilities", new Hello(1, 1, [new string('x', MessageLimits.MaxWordBytes + 1)], Guid.Empty, "", Hello.Replicate)),
        Case("hello software", new Hello(1, 1, [], Guid.Empty, new string('x', MessageLimits.MaxTextBytes + 1), Hello.Replicate)),
        Case("open group name", new OpenGroup("../etc", Guid.Empty, 1, [Disk], true)),
        Case("open group name", new OpenGroup("", Guid.Empty, 1, [Disk], true)),
        Case("open group name", new OpenGroup(".hidden", Guid.Empty, 1, [Disk], true)),
        Case("open group name", new OpenGroup(new string('a', 65), Guid.Empty, 1, [Disk], true)),
        Case("disk name", new OpenGroup("web", Guid.Empty, 1, [Disk with { Name = "a/b" }], true)),
        Case("disk name", new OpenGroup("web", Guid.Empty, 1, [Disk, Disk with { Id = 2, Name = "SYSTEM" }], true)),
        Case("disk id", new OpenGroup("web", Guid.Empty, 1, [Disk, Disk with { Name = "other" }], true)),
        Case("disk length", new OpenGroup("web", Guid.Empty, 1, [Disk with { Length = -1 }], true)),
        Case("disk sector size", new OpenGroup("web", Guid.Empty, 1, [Disk with { SectorSize = 513 }], true)),
        Case("disk sector size", new OpenGroup("web", Guid.Empty, 1, [Disk with { SectorSize = 0 }], true)),
        Case("disks", new OpenGroup("web", Guid.Empty, 1, [.. Enumerable.Range(0, MessageLimits.MaxDisks + 1).Select(i => Disk with { Id = (uint)i, Name = $"d{i}" })], true)),
        Case("seeds", new OpenGroup("web", Guid.Empty, 1, [Disk], true) { Seeds = [.. Enumerable.Range(0, MessageLimits.MaxDisks + 1).Select(i => new DeclaredSeed((uint)i, "f", ""))] }),
        Case("seed disk", new OpenGroup("web", Guid.Empty, 1, [Disk], true) { Seeds = [new DeclaredSeed(1, "a", ""), new DeclaredSeed(1, "b", "")] }),
        Case("seed file", new OpenGroup("web", Guid.Empty, 1, [Disk], true) { Seeds = [new DeclaredSeed(1, new string('f', MessageLimits.MaxTextBytes + 1), "")] }),
        Case("clone owner", new OpenGroup("web", Guid.Empty, 1, [Disk], true) { CloneOf = new DeclaredClone("../etc", "sda", "", "", 0) }),
        Case("clone name", new OpenGroup("web", Guid.Empty, 1, [Disk], true) { CloneOf = new DeclaredClone("web", "sda", "", new string('a', MessageLimits.MaxTextBytes + 1), 0) }),
        Case("clone time", new OpenGroup("web", Guid.Empty, 1, [Disk], true) { CloneOf = new DeclaredClone("web", "sda", "", "a", -1) }),
        Case("clone time", new OpenGroup("web", Guid.Empty, 1, [Disk], true) { CloneOf = new DeclaredClone("web", "sda", "", "a", DeclaredClone.TimeUsMax + 1) }),
        Case("kept clone length", new CloneList("web", [new KeptClone("c", new DeclaredClone("web", "sda", "", "", 0), 0, -1)])),
        Case("seed done", new SeedProgress(1, 1, -1)),
        Case("disk seeded length", new DiskSeeded(1, -1, 0, "", "")),
        Case("batch records", new RecordBatch(0, 0, [])),
        Case("batch records", new RecordBatch(0, 5, [SampleRecords.Zero(5)])),
        Case("batch records", new RecordBatch(0, 0, [SampleRecords.Zero(5), SampleRecords.Zero(5)])),
        Case("batch records", new RecordBatch(0, 0, [SampleRecords.Zero(6), SampleRecords.Zero(5)])),
        Case("batch records", new RecordBatch(0, 0, [Record.Create(new RecordHeader { Kind = RecordKind.Checkpoint, Sequence = 1 }, default)])),
        Case("baseline records", new BaselineBatch(0, [])),
        Case("baseline records", new BaselineBatch(5, [SampleRecords.Zero(5)])),
        Case("baseline records", new BaselineBatch(0, [SampleRecords.Zero(6), SampleRecords.Zero(5)])),
        Case("baseline records", new BaselineBatch(0, [Record.Create(new RecordHeader { Kind = RecordKind.Undo, Sequence = 1, Length = 512, Content = RecordContent.Hole }, default)])),
        Case("digest compare block size", new DigestCompare(0, 0, 0, [], [])),
        Case("digest compare block size", new DigestCompare(0, 0, 1000, [], [])),
        Case("digest compare digests", new DigestCompare(0, 0, 4096, [new Extent(0, 4097)], new byte[16])),
        Case("digest compare digests", new DigestCompare(0, 0, 4096, [new Extent(0, 4096)], new byte[17])),
        Case("digest compare extents", new DigestCompare(0, 0, 512, [new Extent(0, long.MaxValue)], [])),
        Case("list points group", new ListPoints("a b")),
        Case("open view group", new OpenView("a\0", "latest")),
        Case("point bookmark", new PointList("web", [new RecoveryPoint(1, 1, "a\nb", "crash")])),
        Case("point rewind bytes", new PointList("web", [new RecoveryPoint(1, 1, null, "crash") { RewindBytes = -1 }])),
        Case("run last sequence", new PointList("web", []) { Runs = [new PointRun(2, 1, 1, 1)] }),
        Case("point rewind time", new PointList("web", [new RecoveryPoint(1, 1, null, "crash") { RewindMs = -1 }])),
        Case("group state newest time", new GroupState("following", 0, 0, 0, 0, 0, 0) { NewestTimeUs = -1 }),
        Case("group state metadata keys", new GroupState("following", 0, 0, 0, 0, 0, 0) { MetadataKeys = new string[MessageLimits.MaxMetadataEntries + 1].Select(_ => "k").ToArray() }),
        Case("group state metadata keys", new GroupState("following", 0, 0, 0, 0, 0, 0) { MetadataKeys = [new string('k', MessageLimits.MaxMetadataKeyBytes + 1)] }),
        Case("rewind group", new RewindGroup("../etc", "latest")),
        Case("rewind point", new RewindGroup("web", new string('1', MessageLimits.MaxWordBytes + 1))),
        Case("rewind done", new RewindProgress(1, -1)),
        Case("rewound bytes", new Rewound(new RecoveryPoint(1, 1, null, "crash"), new RecoveryPoint(1, 1, null, "crash"), -1)),
        Case("read view length", new ReadView(0, 0, 0, 0)),
        Case("read view length", new ReadView(0, 0, 0, MessageLimits.MaxReadBytes + 1)),
        Case("read view offset", new ReadView(0, 0, -1, 1)),
        Case("map view length", new MapView(0, 0, 0, -1)),
        Case("view map state", new ViewMap([new ViewExtent(0, 1, (BlockState)9)])),
        Case("view contents checksum", ViewContents.Of(new byte[100]) with { Checksum = 1 }),
        Case("scrub group", new Scrub("a b")),
        Case("scrub done", new ScrubProgress(1, -1)),
        Case("scrub rate", new Scrub("web", -1)),
        Case("scrub state group", new AskScrubState("a b")),
        Case("scrub damage", new ScrubState(null, 0, 0, -1, 0)),
        Case("scrub damage count", new ScrubReport("web", 0, 0, 0, 0, 0, 0, [new ScrubDamage(null, 0, 0, "", 0, [])])),
        Case("scrub damage", new ScrubReport("web", 0, 0, 0, 0, 0, 5000, [.. Enumerable.Repeat(new ScrubDamage(null, 0, 0, "", 0, []), MessageLimits.MaxDamage + 1)])),
        Case("damage point count", new ScrubReport("web", 0, 0, 0, 0, 0, 1, [new ScrubDamage(null, 0, 0, "", 0, [new RecoveryPoint(1, 1, null, "crash")])])),
        Case("damage disk", new ScrubReport("web", 0, 0, 0, 0, 0, 1, [new ScrubDamage("a/b", 0, 0, "", 0, [])])),
        Case("damage sector count", new ScrubReport("web", 0, 0, 0, 0, 0, 1, [new ScrubDamage("a", 0, -1, "", 0, [])])),
        Case("damage points", new ScrubReport("web", 0, 0, 0, 0, 0, 1, [new ScrubDamage("a", 0, 1, "", 999, [.. Enumerable.Repeat(new RecoveryPoint(1, 1, null, "crash"), MessageLimits.MaxDamagePoints + 1)])])),
        Case("attach group", new AttachGroup("a b", "latest", false, false)),
        Case("attached disk", new Attached(1, new RecoveryPoint(1, 1, null, "crash"), false, [new AttachedDisk("a/b", "x")])),
        Case("attached disks", new Attached(1, new RecoveryPoint(1, 1, null, "crash"), false, [.. Enumerable.Repeat(new AttachedDisk("a", "x"), MessageLimits.MaxDisks + 1)])),
        Case("keep", new DetachGroup("web", "", 0, "a/b")),
        Case("detached count", new Detached(-1, null)),
        Case("keep done", new DetachProgress(1, -1)),
        Case("tests", new TestList("web", [.. Enumerable.Repeat(new FailoverTest(1, 1, true, "", "", null, null, 1, "", ""), MessageLimits.MaxTests + 1)])),
        Case("test ended", new NoteTest("web", new FailoverTest(1, 1, true, "", "", null, null, -1, "", ""))),
        Case("metadata key", new ViewOpened(0, 0, 0, null, [], [new MetadataEntry(new string('k', 256), [])])),
    ];

    [TestCaseSource(nameof(Refused))]
    public void Message_BeyondWhatItMaySay_IsRefusedByField(IMessage message, string field)
    {
        using var writer = new MessagePackWriter();
        message.WriteTo(writer);
        var body = writer.WrittenSpan.ToArray();
        Assert.That(() => MessageCodec.Read(body), Throws.InstanceOf<ProtocolException>().With.Property("Field").EqualTo(field));
    }

    [TestCase(0L, 0L, TestName = "Extents_OfAnEmptyOne_AreRefused")]
    [TestCase(long.MaxValue, 1L, TestName = "Extents_BeyondTheEndOfNumbers_AreRefused")]
    [TestCase(-1L, 1L, TestName = "Extents_GoingBack_AreRefused")]
    [TestCase(1L, -1L, TestName = "Extents_OfNegativeLength_AreRefused")]
    public void Extents_Hostile_AreRefused(long gap, long length)
    {
        using var writer = new MessagePackWriter();
        writer.WriteArrayHeader(3);
        writer.WriteInt32((int)MessageType.AllocationResult);
        writer.WriteInt32(1);
        writer.WriteArrayHeader(4);
        foreach (var number in new[] { 0, 1, gap, length }) writer.WriteInt64(number);
        Assert.That(() => MessageCodec.Read(writer.WrittenSpan.ToArray()), Throws.InstanceOf<ProtocolException>());
    }

    [TestCase("dd7fffffff", TestName = "List_OfTwoBillion_IsRefusedBeforeItIsAllocated")]
    [TestCase("dc0fff", TestName = "List_LongerThanTheFrame_IsRefused")]
    [TestCase("93000100", TestName = "Extents_OfAnOddCount_AreRefused")]
    public void List_Hostile_IsRefused(string list)
    {
        var body = Convert.FromHexString("930c01" + list);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.That(() => MessageCodec.Read(body), Throws.InstanceOf<ProtocolException>());
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 20));
    }

    [Test]
    public void Records_WithThePayloadElsewhere_DoNotTravel()
    {
        using var writer = new MessagePackWriter();
        writer.WriteArrayHeader(4);
        writer.WriteInt32((int)MessageType.RecordBatch);
        writer.WriteInt32(0);
        writer.WriteInt32(0);
        writer.WriteArrayHeader(1);
        SampleRecords.Write(1, 512).WriteHeaderTo(writer, 4096);
        Assert.That(() => MessageCodec.Read(writer.WrittenSpan.ToArray()), Throws.InstanceOf<ProtocolException>().With.Message.Contains("place"));
    }

    [Test]
    public void Extents_ThatDoNotAscend_AreNotWritten()
    {
        using var writer = new MessagePackWriter();
        Assert.That(() => new AllocationResult(1, [new Extent(4096, 1), new Extent(0, 1)]).WriteTo(writer), Throws.ArgumentException);
        Assert.That(() => new AllocationResult(1, [new Extent(4096, 0)]).WriteTo(writer), Throws.ArgumentException);
    }

    [Test]
    public void Text_WithTerminalControls_IsMadeHarmless()
    {
        using var writer = new MessagePackWriter();
        new Refusal("busy\u001b[2J", "one\u0007two\u009b", "three\nfour\u007f").WriteTo(writer);
        var read = (Refusal)MessageCodec.Read(writer.WrittenSpan.ToArray());
        Assert.That((read.Code, read.Message, read.Hint), Is.EqualTo(("busy\ufffd[2J", "one\ufffdtwo\ufffd", "three\ufffdfour\ufffd")));
    }

    [Test]
    public void DigestsOfOneRound_OverADiskWith200MiBAllocated_StayBelowAThousandth()
    {
        const int blockSize = 65536;
        Extent[] extents = [.. Enumerable.Range(0, 800).Select(i => new Extent(i * (1L << 20), 4 * blockSize))];
        using var writer = new MessagePackWriter();
        new DigestCompare(1, 0, blockSize, extents, new byte[16 * DigestCompare.BlockCount(extents, blockSize)]).WriteTo(writer);
        Assert.That(writer.Length, Is.LessThan((200L << 20) / 1000));
    }

    private static TestCaseData Case(string field, IMessage message) => new TestCaseData(message, field).SetArgDisplayNames($"{field} of {message.Type}");
}
