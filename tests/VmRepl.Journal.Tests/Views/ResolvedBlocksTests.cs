using VmRepl.Blocks;
using VmRepl.Journal.Index;
using VmRepl.Journal.Index.Files;
using VmRepl.Journal.Views;

namespace VmRepl.Journal.Tests.Views;

/// <summary>Chunks that lie in the live image as a whole: of what is kept of them only whether it is known matters here.</summary>
public class ResolvedBlocksTests
{
    private const long CapBytes = 64 << 20;
    private const long DiskBytes = 1L << 30;
    private const int Dense = ResolvedBlocks.SheetChunks / 8;

    private readonly IndexPageCache memory = new(CapBytes);

    [Test]
    public void Keep_ChunksUntilTheyAreDense_MakesOneSheetThatKnowsThemAndCountsIt()
    {
        using var chunks = new ResolvedChunks(memory, DiskBytes);
        for (var i = 0; i < Dense - 1; i++) Keep(chunks, i, 5, 0);
        Assert.That(chunks.Blocks.Bytes, Is.Zero);
        Assert.That(IsKnown(chunks, 0), Is.False);
        Assert.That(chunks.TryFind(0, out _), Is.True);
        var before = memory.ReservedBytes;

        Keep(chunks, Dense - 1, 5, 0);

        Assert.That(chunks.Blocks.Bytes, Is.EqualTo(LargePageMemory.LargePageBytes));
        Assert.That(Enumerable.Range(0, Dense).All(i => IsKnown(chunks, i)), Is.True);
        Assert.That(Enumerable.Range(0, Dense).Any(i => chunks.TryFind(i, out _)), Is.False, "what was kept before went into the sheet");
        Assert.That(memory.ReservedBytes, Is.LessThan(before + LargePageMemory.LargePageBytes));
        Assert.That(IsKnown(chunks, Dense), Is.False);
        Assert.That(chunks.Blocks.StampOf(3), Is.EqualTo(5));
    }

    [Test]
    public void Dispose_OfSheetsAndChunks_GivesAllMemoryBackAndKnowsNothing()
    {
        var chunks = new ResolvedChunks(memory, DiskBytes);
        for (var i = 0; i < Dense; i++) Keep(chunks, i, 5, 0);
        Keep(chunks, ResolvedBlocks.SheetChunks, 5, 0);

        chunks.Dispose();

        Assert.That(memory.ReservedBytes, Is.Zero);
        Assert.That(IsKnown(chunks, 0), Is.False);
    }

    [Test]
    public void Keep_ChunkResolvedAfterARetirement_ForgetsAllOthers()
    {
        using var chunks = Made();

        Keep(chunks, 7, 6, 1);

        Assert.That(Enumerable.Range(0, Dense).Where(i => IsKnown(chunks, i, 1)), Is.EqualTo(new[] { 7 }));
        Assert.That(IsKnown(chunks, 7, 0), Is.False, "whoever has the number from before finds nothing");
    }

    [Test]
    public void Keep_ChunkResolvedBeforeARetirementThatIsCounted_IsNotKept()
    {
        using var chunks = Made();
        Keep(chunks, 7, 6, 1);

        Keep(chunks, 8, 6, 0);

        Assert.That(IsKnown(chunks, 8, 1), Is.False);
    }

    [Test]
    public void Keep_ChunkOfAnOlderStamp_LeavesTheNewer()
    {
        using var chunks = Made();
        Keep(chunks, 7, 9, 0);

        Keep(chunks, 7, 8, 0);

        Assert.That(chunks.Blocks.StampOf(7), Is.EqualTo(9));
    }

    [Test]
    public void Keep_NoRoomForASheet_KeepsTheChunksAsTheyWere()
    {
        using var chunks = new ResolvedChunks(memory, DiskBytes);
        Keep(chunks, 0, 5, 0);
        memory.Reserve((CapBytes / 2) - memory.ReservedBytes - (1 << 20));

        for (var i = 1; i < Dense + 10; i++) Keep(chunks, i, 5, 0);

        Assert.That(chunks.Blocks.Bytes, Is.Zero);
        Assert.That(chunks.TryFind(Dense, out _), Is.True);
        Assert.That(memory.ReservedBytes, Is.LessThanOrEqualTo(CapBytes / 2));
    }

    [Test]
    public void Keep_DiskOfMoreSheetsThanViewsMayTake_MakesNone()
    {
        const long sheetDiskBytes = (long)ResolvedBlocks.SheetChunks * ResolvedChunks.ChunkBytes;
        using var most = new ResolvedChunks(memory, CapBytes / 2 / LargePageMemory.LargePageBytes * sheetDiskBytes);
        for (var i = 0; i < Dense; i++) Keep(most, i, 5, 0);
        Assert.That(most.Blocks.Bytes, Is.GreaterThan(0));

        using var more = new ResolvedChunks(memory, most.Blocks.Bytes + (CapBytes / 2 / LargePageMemory.LargePageBytes * sheetDiskBytes));
        for (var i = 0; i < Dense; i++) Keep(more, i, 5, 0);
        Assert.That(more.Blocks.Bytes, Is.Zero);
    }

    /// <summary>One thread resolves again and again, with a stamp that goes up and with retirements, as the journal would say; others look.</summary>
    [Test]
    public void TryFind_WhileBlocksAreReplaced_WhatCountsIsOfItsStampAndRetirement()
    {
        using var chunks = new ResolvedChunks(memory, 8 * ResolvedChunks.ChunkBytes);
        long retirements = 0, checkedCount = 0;
        ulong stamp = 1;
        var isOver = false;
        string? wrong = null;
        Resolve();
        var readers = Enumerable.Range(0, 2).Select(_ => new Thread(Look)).ToList();
        readers.ForEach(r => r.Start());
        var started = TimeProvider.System.GetTimestamp();
        for (var i = 1; wrong is null && (i < 4_000 || (Interlocked.Read(ref checkedCount) < 1000 && TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromMinutes(1))); i++)
        {
            // The journal notes first, then the view resolves.
            if (i % 16 == 0) Volatile.Write(ref retirements, retirements + 1);
            else Volatile.Write(ref stamp, stamp + 1);
            Resolve();
        }

        Volatile.Write(ref isOver, true);
        readers.ForEach(r => r.Join());

        Assert.That(wrong, Is.Null);
        Assert.That(checkedCount, Is.GreaterThanOrEqualTo(1000));

        void Resolve()
        {
            // How many blocks of the live image there are says the stamp; the rest are zeros.
            var sources = new List<ContentSource> { new(new Extent(0, 4096 * (1 + (long)(stamp % 15))), null), new(Extent.FromEnds(4096 * (1 + (long)(stamp % 15)), ResolvedChunks.ChunkBytes), Zeros) };
            chunks.IsWorthwhile(0);
            chunks.Keep(ResolvedChunk.TryCreate(0, stamp, retirements, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(sources), chunks.Segments)!.Value);
        }

        void Look()
        {
            while (!Volatile.Read(ref isOver))
            {
                var before = Volatile.Read(ref retirements);
                if (!chunks.Blocks.TryFind(0, before, out var words) || !ResolvedBlocks.TryLook(words, new Extent(0, ResolvedChunks.ChunkBytes), out _, out _)) continue;
                var held = chunks.Blocks.StampOf(0);
                if (held != Volatile.Read(ref stamp)) continue;
                var liveBlocks = 0UL;
                for (var at = 0L; at < ResolvedChunks.ChunkBytes; at += 4096)
                {
                    if (!ResolvedBlocks.TryLook(words, new Extent(at, 1), out var isLive, out _)) liveBlocks = ulong.MaxValue / 2;
                    if (isLive) liveBlocks++;
                }

                Volatile.ReadBarrier();
                if (held != Volatile.Read(ref stamp) || before != Volatile.Read(ref retirements)) continue;
                if (liveBlocks != 1 + (held % 15)) wrong = $"{liveBlocks} blocks of the live image at stamp {held}";
                Interlocked.Increment(ref checkedCount);
            }
        }
    }

    private static RecordRef Zeros => new()
    {
        Kind = Protocol.Records.RecordKind.Zero,
        Number = 1,
        Content = Protocol.Records.RecordContent.Zero,
        Offset = 0,
        Length = ResolvedChunks.ChunkBytes,
        Serial = 1,
        HeaderOffset = 4096,
        HeaderLength = 1,
        PayloadOffset = 0,
        PayloadLength = 0,
        FirstChecksum = 0,
    };

    private ResolvedChunks Made()
    {
        var chunks = new ResolvedChunks(memory, DiskBytes);
        for (var i = 0; i < Dense; i++) Keep(chunks, i, 5, 0);
        return chunks;
    }

    private static void Keep(ResolvedChunks chunks, long chunk, ulong stamp, long retirements)
    {
        chunks.IsWorthwhile(chunk);
        chunks.Keep(ResolvedChunk.TryCreate(chunk, stamp, retirements, [new ContentSource(new Extent(chunk * ResolvedChunks.ChunkBytes, ResolvedChunks.ChunkBytes), null)], chunks.Segments)!.Value);
    }

    private static bool IsKnown(ResolvedChunks chunks, long chunk, long retirements = 0) =>
        chunks.Blocks.TryFind(chunk, retirements, out var words) && ResolvedBlocks.TryLook(words, new Extent(chunk * ResolvedChunks.ChunkBytes, ResolvedChunks.ChunkBytes), out _, out _);
}
