using VmRepl.Blocks;
using VmRepl.Protocol.Messages;
using VmRepl.Protocol.Tests.Records;

namespace VmRepl.Protocol.Tests.Messages;

/// <summary>At least one message of each type.</summary>
internal static class SampleMessages
{
    private static readonly Guid Id = new("00112233-4455-6677-8899-aabbccddeeff");

    private static readonly DiskDeclaration[] Disks = [new(0, "system", 20L << 30, 512, "qcow2"), new(uint.MaxValue, "db.log", 12345, 4096, "vhdx")];

    private static readonly Extent[] Extents = [new(0, 65536), new(65536, 1), new(1L << 40, 1L << 41)];

    public static IMessage[] All =>
    [
        new Hello(1, 3, ["lanes", "zstd"], Id, "vmrepl 0.1.0", Hello.Replicate),
        new Hello(1, 1, [], Guid.Empty, "", Hello.ReadOnly),
        new Welcome(1, ["lanes"], Id, ulong.MaxValue, "vmrepl 0.1.0"),
        new Refusal(RefusalCode.GroupTaken, "Group web belongs to another source.", "Choose another name."),
        new OpenGroup("web", Id, 7, Disks, true),
        new OpenGroup("web", Id, 7, Disks, true) { AckMode = AckMode.Sync, LeaseMs = uint.MaxValue },
        new OpenGroup("web", Id, 7, Disks, true) { CloneOf = new DeclaredClone("web", "sda", "its backing file", "Kopie, ü.qcow2", 0) },
        new OpenGroup("web", Id, 7, Disks, true) { Seeds = [new DeclaredSeed(0, "/srv/old/\n../ü.qcow2", ""), new DeclaredSeed(uint.MaxValue, "", "vhdx")] },
        new GroupState("baseline", 1, 2, 3, 4, 5, 6),
        new GroupState("following", 1, 2, 3, 4, 5, 6) { NewestTimeUs = 7, NewestRewind = ulong.MaxValue, MetadataKeys = ["definition", ""] },
        new RecordBatch(0, 0, [SampleRecords.Zero(2)]),
        new RecordBatch(3, 4, [SampleRecords.Zero(5), SampleRecords.Write(6, 4096 + 512), SampleRecords.Fact(Protocol.Records.RecordKind.Bookmark, 9, [], ("name", "before"))]),
        new BaselineBatch(5, [SampleRecords.Write(6, 1024), SampleRecords.Zero(9)]),
        new Ack(10, 9, 8, 1UL << 40),
        new DigestCompare(1, 2, 65536, [new Extent(0, 65536), new Extent(131072, 65537)], SampleRecords.Random(48)),
        new DigestCompare(1, 2, 4096, [], []),
        new DigestResult(1, [0b101]),
        new AllocationQuery(2, 0, Extents),
        new AllocationResult(2, Extents),
        new AllocationResult(2, []),
        new Ping(3),
        new Pong(ulong.MaxValue),
        new ListGroups(),
        new GroupList([new GroupSummary("web", "following", 5, 4, 3, Disks), new GroupSummary("mail", "baseline", 0, 0, 0, []) { AckMode = AckMode.SemiSync, LeaseMs = 5000, LastSignUs = 1 }]),
        new ListPoints("web"),
        new PointList("web", []) { Runs = [new PointRun(5, -1, 5, -1), new PointRun(7, 1_795_000_000_000_000, ulong.MaxValue, long.MaxValue)] },
        new PointList("web", [new RecoveryPoint(5, 1_795_000_000_000_000, null, "crash"), new RecoveryPoint(9, -1, "before", "application") { RewindBytes = 4096, RewindMs = 0 }]) { Runs = [new PointRun(5, 1_795_000_000_000_000, 9, -1)] },
        new OpenView("web", "2026-11-21T06:00:00Z"),
        new ViewOpened(1, 9, 5, "before", Disks, [new MetadataEntry("definition", [1, 2, 3]), new MetadataEntry("", [])]),
        new ViewOpened(1, 9, 5, null, [], []),
        new MapView(1, 2, 0, long.MaxValue),
        new ViewMap([new ViewExtent(0, 4096, BlockState.Data), new ViewExtent(8192, 1, BlockState.Zero), new ViewExtent(1L << 50, 512, BlockState.Unallocated)]),
        new ReadView(1, 2, 4096, MessageLimits.MaxReadBytes),
        ViewContents.Of(SampleRecords.Random(5000)),
        ViewContents.Of(default),
        new CloseView(1),
        new Failure(RefusalCode.UnknownPoint, "Group web has no point named x.", ""),
        new Bye(),
        new RewindGroup("web", "before"),
        new RewindProgress(1L << 40, 0),
        new Rewound(new RecoveryPoint(20, 3, null, "application"), new RecoveryPoint(9, -1, "before", "application"), 1L << 33),
        new Scrub("web"),
        new Scrub("web", 8L << 20),
        new AskScrubState("web"),
        new ScrubState(1_700_000_000_000_000, 3, 4, 1, 1_700_000_000_000_001),
        new ScrubState(null, 0, 0, 0, 1),
        new ScrubState(null, 0, 0, 0, 1) { OldestPointUs = 1_600_000_000_000_000, NewestPoint = 7, NewestPointUs = 1_600_000_000_000_001 },
        new NoRoom("the journal may take 8388608 bytes"),
        new AttachGroup("web", "before", true, false),
        new AttachGroup("web", "42", false, true),
        new Attached(7, new RecoveryPoint(9, -1, "before", "application"), true, [new AttachedDisk("sda", "nbd+unix:///web/sda@9~7?socket=/run/n.sock"), new AttachedDisk("sdb", "")]),
        new DetachGroup("web", "", 0, null),
        new DetachGroup("web", "before", 7, "repaired"),
        new DetachProgress(1L << 40, 0),
        new Detached(2, "/srv/kept/web/repaired"),
        new Detached(0, null),
        new ListAttachments("web"),
        new AttachmentList("web", []),
        new AttachmentList("web", [new Attached(7, new RecoveryPoint(9, -1, "before", "application"), true, []), new Attached(uint.MaxValue, new RecoveryPoint(10, 1, null, "crash"), false, [new AttachedDisk("sda", "x")])]),
        new NoteTest("web", new FailoverTest(9, 1, true, "serial text \"login:\"", "", 100, 2000, 2100, "QEMU 7.2.22, tcg", "host1")),
        new ListTests("web"),
        new TestList("web", [new FailoverTest(9, 1, false, "guest agent", "The guest's kernel panicked.", null, null, 2100, "QEMU 7.2.22, tcg", "host1")]),
        new TestList("web", []),
        new ScrubProgress(1L << 40, 5),
        new ListClones("web"),
        new CloneList("web", []),
        new CloneList("web", [new KeptClone("clone-1", new DeclaredClone("web", "sda", "", "a b", DeclaredClone.TimeUsMax), ulong.MaxValue, 1L << 40)]),
        new SeedDisk(7, uint.MaxValue),
        new SeedProgress(7, 1L << 40, 5),
        new DiskSeeded(7, 1L << 40, 1L << 30, "qcow2", ""),
        new DiskSeeded(ulong.MaxValue, 0, 0, "", "it cannot be read"),
        new ScrubReport("web", 1L << 40, 1, 2, 3, 4_000_000, 0, []),
        new ScrubReport("web", 5, 4, 3, 2, 1, 70, [
            new ScrubDamage("system", 2048, 8, "segment 1, offset 4096", 300, [new RecoveryPoint(5, 1, null, "crash"), new RecoveryPoint(9, -1, "before", "application")]),
            new ScrubDamage(null, 0, 0, "a header", 0, [])]),
    ];

    public static IEnumerable<TestCaseData> Cases =>
        All.Select((message, index) => new TestCaseData(message).SetArgDisplayNames($"{message.Type} {index}"));
}
