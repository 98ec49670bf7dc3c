using VmRepl.Blocks;
using VmRepl.Journal.Index;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Tests.Index;

public class LayeredIndexTests
{
    private const uint Disk = 1;

    [Test]
    public void LayeredIndex_RandomHistory_AnswersAsOneListForEachSectorDoes([Range(1, 60)] int seed)
    {
        var model = new SectorHistories(seed);
        for (var step = 0; step < 400; step++)
        {
            model.Write();
            if (model.Random.Next(12) == 0) model.Freeze();
            if (model.Random.Next(20) == 0) model.Roll();
            if (model.Random.Next(40) == 0) model.RetireOldest();
            model.AssertResolve($"step {step}");
            if (step % 20 == 0) model.AssertTouched($"step {step}");
        }

        Assert.That(model.Retirements, Is.GreaterThan(0));
        Assert.That(model.HandDowns, Is.GreaterThan(0));
        Assert.That(model.Index.Layers, Has.Count.GreaterThan(3));
        long from = 0;
        Assert.That(model.Index.Check(Disk, SectorHistories.DiskBytes, ref from, int.MaxValue), Is.Empty);
    }

    [Test]
    public void Resolve_HandDownBeforeTheStartMoves_DoesNotHideTheUndoThatCounts()
    {
        // The undo stands in segment 1, its record in segment 2: one batch, split. Segment 1 goes.
        var index = new LayeredIndex(new CommitPlace(1, 0));
        index.Retire(0, 1);
        index.Growing.SetUndo(Disk, Make(RecordKind.Undo, 5, 0, 4096, serial: 1, at: 100));
        index.Growing.Extend(new CommitPlace(1, 1));
        index.Growing.AddVersion(Disk, Make(RecordKind.Write, 5, 0, 4096, serial: 2, at: 200));
        index.Growing.Extend(new CommitPlace(2, 1));
        var range = new Extent(0, 4096);
        var due = index.HandDown(Disk, range, serial: 1, start: 4).Single();
        Assert.That(due.Record!.Value.HeaderOffset, Is.EqualTo(100));
        // Committed, and not yet counted: the old start is still read.
        index.Growing.Extend(new CommitPlace(2, 2));
        Assert.That(index.Resolve(Disk, range, 2).Single().Record!.Value.HeaderOffset, Is.EqualTo(100));
        index.Growing.SetUndo(Disk, Make(RecordKind.HandDown, 4, 0, 4096, serial: 2, at: 300));
        index.Retire(4, 2);
        Assert.That(index.Resolve(Disk, range, 4).Single().Record!.Value.HeaderOffset, Is.EqualTo(300));
        index.Freeze();
        Assert.That(index.Resolve(Disk, range, 4).Single().Record!.Value.HeaderOffset, Is.EqualTo(300));
        Assert.That(index.Layers[0].End, Is.EqualTo(new CommitPlace(2, 2)), "the hand-down is in the layer of the interval that its commit lies in");
    }

    [Test]
    public void Resolve_UndoOfALostRecord_LeavesNothing()
    {
        var index = new LayeredIndex(new CommitPlace(1, 0));
        index.Growing.SetUndo(Disk, Make(RecordKind.Undo, 5, 0, 4096));
        index.Growing.AddVersion(Disk, Make(RecordKind.Write, 6, 2048, 512));
        index.Growing.Extend(new CommitPlace(1, 1));
        Assert.That(index.Untouched(Disk, new Extent(0, 4096)), Is.EqualTo(new[] { new Extent(0, 2048), new Extent(2560, 1536) }));
        Assert.That(index.Resolve(Disk, new Extent(0, 2048), 3).Single().Record, Is.Null);
    }

    internal static RecordRef Make(RecordKind kind, ulong number, long offset, long length, ulong serial = 1, uint at = 0) => new()
    {
        Kind = kind,
        Number = number,
        Content = RecordContent.Payload,
        Offset = offset,
        Length = length,
        Serial = serial,
        HeaderOffset = at == 0 ? (uint)number * 10 : at,
        HeaderLength = 40,
        PayloadOffset = 4096,
        PayloadLength = (int)length,
        FirstChecksum = 0,
    };
}
