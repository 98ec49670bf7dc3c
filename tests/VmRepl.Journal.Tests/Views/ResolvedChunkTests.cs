extern alias simulation;
using simulation::VmRepl.Simulation.Storage;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Index;
using VmRepl.Journal.Segments;
using VmRepl.Journal.Views;
using VmRepl.Protocol.MessagePack;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Tests.Views;

/// <summary>Chunk 2 of a disk, resolved by hand into a segment of its own, so that the parts are exactly those named.</summary>
public class ResolvedChunkTests
{
    private const int Chunk = 2;
    private const int SectorCount = ResolvedChunks.ChunkBytes / Sectors.Size;
    private const int FirstSector = Chunk * SectorCount;

    private readonly byte[] contents = new byte[(Chunk + 1) * ResolvedChunks.ChunkBytes];
    private readonly List<Record> records = [];
    private readonly List<(int From, int To, int Record)> parts = [];
    private readonly byte[] expected = new byte[ResolvedChunks.ChunkBytes];
    private readonly Random random = new(1);
    private readonly ResolvedSegments numbers = new();
    private bool isTouchedAfter;
    private MemoryDevice live = null!;
    private IHostDirectory directory = null!;
    private SegmentFile segment = null!;

    [SetUp]
    public void MakeSegment()
    {
        isTouchedAfter = true;
        records.Clear();
        parts.Clear();
        Array.Clear(expected);
        random.NextBytes(contents);
        live = new MemoryDevice(contents);
        directory = new SimulatedVolume(1, 1L << 30).Directory("journal");
        directory.Create();
        segment = SegmentFile.Create(directory, null, new SegmentHeader(1, 1, 1 << 20, 0, 0), new SegmentHandles());
    }

    [TearDown]
    public void CloseSegment()
    {
        segment.Dispose();
        live.Dispose();
    }

    [Test]
    public void TryRead_EveryRangeOfAChunkOfManyParts_GivesWhatTheyHold()
    {
        MakeManyParts();
        var chunk = Resolve();
        var found = new byte[ResolvedChunks.ChunkBytes];
        for (var from = 0; from < SectorCount; from++)
        {
            for (var to = from + 1; to <= SectorCount; to++) Check(chunk, from * Sectors.Size, (to - from) * Sectors.Size, found);
        }
    }

    [Test]
    public void TryRead_RangesThatAreNotOfSectors_GiveWhatThePartsHold()
    {
        MakeManyParts();
        var chunk = Resolve();
        var found = new byte[ResolvedChunks.ChunkBytes];
        for (var i = 0; i < 2000; i++)
        {
            var from = random.Next(ResolvedChunks.ChunkBytes);
            Check(chunk, from, 1 + random.Next(Math.Min(9000, ResolvedChunks.ChunkBytes - from)), found);
        }
    }

    [Test]
    public void TryRead_PartsOfOneSectorOfEightSectorPayloads_TakesEachFromItsPlaceInThePayload()
    {
        // Payload i is 4096 bytes and begins i sectors before the one that is left of it.
        for (var i = 0; i < SectorCount; i++) Part(i, i + 1, Write(i - (i % 8), 8));
        var chunk = Resolve();
        Check(chunk, 0, ResolvedChunks.ChunkBytes, new byte[ResolvedChunks.ChunkBytes]);
        for (var i = 0; i < SectorCount; i++) Check(chunk, i * Sectors.Size, Sectors.Size, new byte[Sectors.Size]);
    }

    [Test]
    public void TryRead_ChunkAtTheEndOfADiskThatEndsWithinIt_ReadsToTheEnd()
    {
        Part(0, 3, Write(0, 3));
        Part(3, 5, -1);
        Part(5, 7, Write(4, 3));
        var chunk = Resolve();
        for (var from = 0; from < 7; from++) Check(chunk, from * Sectors.Size, (7 - from) * Sectors.Size, new byte[7 * Sectors.Size]);
    }

    [Test]
    public void TryRead_SmallPayloadDamaged_IsFalseForItsPartsAndOnlyThose()
    {
        Part(0, 8, Write(0, 8));
        Part(8, 12, Write(6, 8));
        Part(12, SectorCount, -1);
        var chunk = Resolve(out var stored);
        // The second payload's first sector, of which nothing is visible: its checksum covers it.
        Flip(stored[1].Ref.PayloadOffset);
        Check(chunk, 0, 8 * Sectors.Size, new byte[8 * Sectors.Size]);
        Check(chunk, 12 * Sectors.Size, Sectors.Size, new byte[Sectors.Size]);
        Assert.That(Read(chunk, 11, 1), Is.False);
        Assert.That(Read(chunk, 0, SectorCount), Is.False);
    }

    [Test]
    public void TryRead_LargePayloadDamaged_SaysSoForTheChunksOfItAndOnlyThose()
    {
        Part(0, 16, Write(-1, 18));
        Part(16, SectorCount, -1);
        var chunk = Resolve(out var stored);
        Flip(stored[0].Ref.PayloadOffset + 4096);
        Check(chunk, 0, 7 * Sectors.Size, new byte[7 * Sectors.Size]);
        Assert.That(() => Read(chunk, 6, 2), Throws.TypeOf<JournalDamagedException>(), "sector 7 is the ninth of the payload");
        Assert.That(() => Read(chunk, 14, 1), Throws.TypeOf<JournalDamagedException>());
        Check(chunk, 15 * Sectors.Size, Sectors.Size, new byte[Sectors.Size]);
    }

    [Test]
    public void TryRead_SegmentRetired_SaysThatItIsGoneAndGivesTheRest([Values(8, 18)] int sectors)
    {
        Part(0, 6, Write(-1, sectors));
        Part(6, SectorCount, -1);
        var chunk = Resolve();
        Check(chunk, 0, 6 * Sectors.Size, new byte[6 * Sectors.Size]);
        Assert.That(segment.Retire(), Is.True);
        Assert.That(() => Read(chunk, 1, 2), Throws.TypeOf<ObjectDisposedException>());
        Check(chunk, 6 * Sectors.Size, Sectors.Size, new byte[Sectors.Size]);
    }

    [Test]
    public void TryRead_SegmentRetiredWhileSomebodyReadsIt_ReadsToTheEndOfThat()
    {
        Part(0, 6, Write(-1, 8));
        Part(6, SectorCount, -1);
        var chunk = Resolve();
        segment.Close();
        segment.AddReader();
        Assert.That(segment.Retire(), Is.False);
        directory.Delete(SegmentLayout.FileName(1));
        Check(chunk, 0, SectorCount * Sectors.Size, new byte[ResolvedChunks.ChunkBytes]);
        segment.ReleaseReader();
        Assert.That(() => Read(chunk, 1, 2), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void Bytes_OfParts_CountWhatIsKept()
    {
        Part(0, 8, Write(0, 8));
        Part(8, SectorCount, -1);
        var small = Resolve().Bytes;
        CloseSegment();
        MakeSegment();
        Part(0, 8, Write(0, 16));
        Part(8, SectorCount, -1);
        Assert.That(Resolve().Bytes, Is.GreaterThan(small), "a large payload's reference is kept beside");
    }

    [Test]
    public void TryGetBlocks_BlocksThatLieInOnePlaceEach_ReadAsTheChunkDoes()
    {
        MakeWholeBlocks();
        var chunk = Resolve();
        var words = new uint[ResolvedBlocks.ChunkWords];
        Assert.That(chunk.TryGetBlocks(words), Is.True);

        for (var i = 0; i < 3000; i++)
        {
            var from = random.Next(ResolvedChunks.ChunkBytes);
            var length = 1 + random.Next(Math.Min(20_000, ResolvedChunks.ChunkBytes - from));
            var found = new byte[length];
            found.AsSpan().Fill(0xA5);
            var range = new Extent((FirstSector * Sectors.Size) + from, length);
            Assert.That(ResolvedBlocks.TryLook(words, range, out var isLive, out _), Is.True);
            Assert.That(isLive, Is.EqualTo(from < 10 * 4096 && from + length > 8 * 4096), $"bytes {from} to {from + length - 1}");
            Assert.That(ResolvedBlocks.TryRead(words, range, found, isLive ? live : null, numbers), Is.True);
            if (!found.AsSpan().SequenceEqual(expected.AsSpan(from, length))) Assert.Fail($"bytes {from} to {from + length - 1} of the chunk");
        }
    }

    [Test]
    public void TryRead_BlockOfTheLiveImageThatMayNotBeRead_IsFalse()
    {
        MakeWholeBlocks();
        var words = new uint[ResolvedBlocks.ChunkWords];
        Resolve().TryGetBlocks(words);

        Assert.That(ResolvedBlocks.TryRead(words, new Extent((FirstSector * Sectors.Size) + (7 * 4096), 8192), new byte[8192], null, numbers), Is.False);
    }

    [Test]
    public void TryRead_BlockDamaged_IsFalseForItAndOnlyIt()
    {
        MakeWholeBlocks();
        var words = new uint[ResolvedBlocks.ChunkWords];
        Resolve(out var stored).TryGetBlocks(words);
        Flip(stored[3].Ref.PayloadOffset + 4095);

        for (var block = 0; block < 16; block++)
            Assert.That(ResolvedBlocks.TryRead(words, new Extent((FirstSector * Sectors.Size) + (block * 4096), 512), new byte[512], live, numbers), Is.EqualTo(block != 3), $"block {block}");
    }

    [Test]
    public void TryRead_BlockThatTheLiveImageHoldsToo_IsReadThereAndVerified()
    {
        MakeWholeBlocks();
        expected.CopyTo(contents, FirstSector * Sectors.Size);
        isTouchedAfter = false;
        var words = new uint[ResolvedBlocks.ChunkWords];
        Resolve(out var stored).TryGetBlocks(words);
        var block = new Extent((FirstSector * Sectors.Size) + (3 * 4096), 4096);
        var found = new byte[4096];

        Assert.That(ResolvedBlocks.TryLook(words, block, out var isLive, out var isInLive) && !isLive && isInLive, Is.True);
        contents[(int)block.Offset + 17] ^= 1;
        Assert.That(ResolvedBlocks.TryRead(words, block, found, live, numbers), Is.True);
        Assert.That(found.AsSpan().SequenceEqual(expected.AsSpan(3 * 4096, 4096)), Is.True, "a live image that does not verify is not believed");
        contents[(int)block.Offset + 17] ^= 1;
        Flip(stored[3].Ref.PayloadOffset + 4095);
        found.AsSpan().Clear();
        Assert.That(ResolvedBlocks.TryRead(words, block, found, live, numbers), Is.True);
        Assert.That(found.AsSpan().SequenceEqual(expected.AsSpan(3 * 4096, 4096)), Is.True, "the journal is not asked");
        Assert.That(ResolvedBlocks.TryRead(words, block, found, null, numbers), Is.False, "where the live image may not be read, the journal is asked");
    }

    [Test]
    public void TryLook_WordsOfWhichNothingIsKnown_IsFalse()
    {
        var words = new uint[ResolvedBlocks.ChunkWords];

        Assert.That(ResolvedBlocks.TryLook(words, new Extent(0, 1), out _, out _), Is.False);
        Assert.That(ResolvedBlocks.TryRead(words, new Extent(0, 1), new byte[1], live, numbers), Is.False);
    }

    [TestCase(0, 8, 9, TestName = "TryGetBlocks_PayloadOfMoreThanABlock_IsFalse")]
    [TestCase(0, 4, 4, TestName = "TryGetBlocks_PayloadOfLessThanABlock_IsFalse")]
    [TestCase(4, 8, 8, TestName = "TryGetBlocks_PayloadThatBeginsWithinABlock_IsFalse")]
    public void TryGetBlocks_OneThatLiesInSeveralPlaces_IsFalse(int from, int to, int sectors)
    {
        if (from > 0) Part(0, from, -1);
        Part(from, to, Write(from, sectors));
        Part(to, SectorCount, -1);

        Assert.That(Resolve().TryGetBlocks(new uint[ResolvedBlocks.ChunkWords]), Is.False);
    }

    [Test]
    public void TryGetBlocks_DiskThatEndsWithinABlock_KnowsItToTheEnd()
    {
        Part(0, 8, Write(0, 8));
        Part(8, 11, -1);
        var words = new uint[ResolvedBlocks.ChunkWords];

        Assert.That(Resolve().TryGetBlocks(words), Is.True);
        Assert.That(ResolvedBlocks.TryLook(words, new Extent(FirstSector * Sectors.Size, 11 * Sectors.Size), out _, out _), Is.True);
        Assert.That(ResolvedBlocks.TryLook(words, new Extent((FirstSector + 16) * Sectors.Size, Sectors.Size), out _, out _), Is.False);
    }

    /// <summary>Blocks 8 and 9 lie in the live image, 11 and 12 are zeros, 15 a hole; each of the rest is a record of its own.</summary>
    private void MakeWholeBlocks()
    {
        for (var block = 0; block < 8; block++) Part(block * 8, (block * 8) + 8, Write(block * 8, 8));
        Part(64, 80, -1);
        Part(80, 88, Write(80, 8));
        Part(88, 104, Add(RecordKind.Zero, 80, 40));
        Part(104, 112, Write(104, 8));
        Part(112, 120, Write(112, 8));
        Part(120, SectorCount, Add(RecordKind.Punch, 120, 8));
    }

    private void MakeManyParts()
    {
        // From a large payload that begins before the chunk, and is not aligned to it.
        Part(0, 3, Write(-10, 21));
        Part(3, 5, -1);
        Part(5, 8, Write(5, 3));
        Part(8, 9, Write(6, 8));
        Part(9, 10, Write(2, 8));
        Part(10, 14, Add(RecordKind.Zero, 9, 20));
        Part(14, 50, Write(13, 40));
        Part(50, 51, Write(50, 1));
        Part(51, 60, Add(RecordKind.Punch, 40, 30));
        Part(60, 100, -1);
        // Two parts of one record, with another's between.
        var around = Write(99, 9);
        Part(100, 102, around);
        Part(102, 103, Write(102, 1));
        Part(103, 107, around);
        // To a large payload that ends behind the chunk.
        Part(107, SectorCount, Write(105, 64));
    }

    /// <summary>A write of random bytes. Sectors count from the chunk's first.</summary>
    private int Write(int sector, int count) => Add(RecordKind.Write, sector, count);

    private int Add(RecordKind kind, int sector, int count)
    {
        var payload = new byte[kind == RecordKind.Write ? count * Sectors.Size : 0];
        random.NextBytes(payload);
        records.Add(Record.Create(
            new RecordHeader { Kind = kind, Sequence = (ulong)records.Count + 1, TimeUs = 1, Epoch = 1, Disk = 1, Offset = (long)(FirstSector + sector) * Sectors.Size, Length = (long)count * Sectors.Size }, payload));
        return records.Count - 1;
    }

    /// <summary>Sectors [from, to) of the chunk come from a record, or from the live image where it is negative.</summary>
    private void Part(int from, int to, int record)
    {
        parts.Add((from, to, record));
        var target = expected.AsSpan(from * Sectors.Size, (to - from) * Sectors.Size);
        var first = (FirstSector + from) * Sectors.Size;
        if (record < 0) contents.AsSpan(first, target.Length).CopyTo(target);
        else if (records[record].PayloadLength == 0) target.Clear();
        else records[record].Payload.Span.Slice((int)(first - records[record].Header.Offset), target.Length).CopyTo(target);
    }

    private ResolvedChunk Resolve() => Resolve(out _);

    private ResolvedChunk Resolve(out List<StoredRecord> stored)
    {
        using var writer = new MessagePackWriter(1 << 16);
        var written = segment.WriteCommit(records, 1, 0, writer).Stored;
        stored = written;
        return ResolvedChunk.TryCreate(Chunk, 1, 0, [.. parts.Select(p => new ContentSource(
            new Extent((FirstSector + p.From) * (long)Sectors.Size, (p.To - p.From) * (long)Sectors.Size), p.Record < 0 ? null : written[p.Record].Ref, p.Record < 0 ? null : segment, isTouchedAfter))], numbers)!.Value;
    }

    private bool Read(ResolvedChunk chunk, int sector, int count) =>
        chunk.TryRead(new Extent((FirstSector + sector) * (long)Sectors.Size, count * (long)Sectors.Size), new byte[count * Sectors.Size], live, numbers);

    private void Check(ResolvedChunk chunk, int from, int length, byte[] buffer)
    {
        var found = buffer.AsSpan(0, length);
        found.Fill(0xA5);
        Assert.That(chunk.TryRead(new Extent((FirstSector * Sectors.Size) + from, length), found, live, numbers), Is.True);
        if (!found.SequenceEqual(expected.AsSpan(from, length))) Assert.Fail($"bytes {from} to {from + length - 1} of the chunk");
    }

    private void Flip(long offset)
    {
        using var file = directory.Open(SegmentLayout.FileName(1), HostFileAccess.ReadWrite);
        var one = new byte[1];
        file.Read(offset, one);
        one[0] ^= 1;
        file.Write(offset, one);
    }
}
