using VmRepl.Journal.Index.Files;
using VmRepl.Journal.Views;

namespace VmRepl.Journal.Tests.Views;

public class ResolvedChunksTests
{
    private const long CapBytes = 64 << 20;
    private const long LargestWithOwnSlots = 4L << 30;

    [TestCase(ResolvedChunks.ChunkBytes)]
    [TestCase(LargestWithOwnSlots)]
    public void IsWorthwhile_FirstAskWhereEachChunkHasItsSlot_IsTrue(long diskBytes)
    {
        using var chunks = new ResolvedChunks(new IndexPageCache(CapBytes), diskBytes);

        Assert.That(chunks.IsWorthwhile((diskBytes / ResolvedChunks.ChunkBytes) - 1), Is.True);
    }

    [Test]
    public void IsWorthwhile_ChunksThatShareASlot_IsTrueOnlyForOneAskedForTwiceInTurn()
    {
        using var chunks = new ResolvedChunks(new IndexPageCache(CapBytes), 2 * LargestWithOwnSlots);
        const long other = LargestWithOwnSlots / ResolvedChunks.ChunkBytes;

        Assert.That(new[] { 0, other, 0, 0 }.Select(chunks.IsWorthwhile), Is.EqualTo(new[] { false, false, false, true }));
    }

    [Test]
    public void IsWorthwhile_ChunkThatHadNoRoom_IsFalseForTheAsksThatFollow()
    {
        var memory = new IndexPageCache(CapBytes);
        using var chunks = new ResolvedChunks(memory, LargestWithOwnSlots);
        chunks.IsWorthwhile(0);
        memory.Reserve(CapBytes / 2);

        chunks.Keep(ResolvedChunk.TryCreate(0, 1, 0, [], chunks.Segments)!.Value);

        Assert.That(Enumerable.Range(0, 63).Select(_ => chunks.IsWorthwhile(0)), Has.All.False);
        Assert.That(chunks.IsWorthwhile(0), Is.True);
    }

    [TestCase(LargestWithOwnSlots, 0, true)]
    [TestCase(2 * LargestWithOwnSlots, 0, false)]
    [TestCase(LargestWithOwnSlots, CapBytes / 2, false)]
    public void IsForNeighbours_SlotOfOnesOwnAndRoom_IsTrue(long diskBytes, long reserved, bool expected)
    {
        var memory = new IndexPageCache(CapBytes);
        using var chunks = new ResolvedChunks(memory, diskBytes);
        for (var i = 0; i < 2; i++) chunks.IsWorthwhile(0);
        chunks.Keep(ResolvedChunk.TryCreate(0, 1, 0, [], chunks.Segments)!.Value);
        memory.Reserve(reserved);

        Assert.That(chunks.IsForNeighbours, Is.EqualTo(expected));
    }
}
