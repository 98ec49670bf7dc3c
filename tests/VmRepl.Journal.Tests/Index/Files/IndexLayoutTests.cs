using System.Buffers.Binary;
using VmRepl.Journal.Index;
using VmRepl.Journal.Index.Files;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Tests.Index.Files;

/// <summary>The sizes and places that docs/journal-format.md gives, spelled out once more.</summary>
public class IndexLayoutTests
{
    [Test]
    public void Layout_Sizes_AreThoseOfTheDocument()
    {
        Assert.That(RunEntry.Bytes, Is.EqualTo(8 + 8 + 8 + 8 + 8 + 4 + 4).And.EqualTo(48));
        Assert.That(ReferenceEntry.Bytes, Is.EqualTo((4 * 8) + (5 * 4) + 2 + 10).And.EqualTo(64));
        Assert.That(PageDirectory.FenceBytes, Is.EqualTo(8 + 4 + 1 + 3).And.EqualTo(16));
        Assert.That(PageFilter.Bytes, Is.EqualTo(128));
        Assert.That(IndexLayout.PageHeaderBytes, Is.EqualTo(4 + 4 + 2 + 2 + 4).And.EqualTo(16));
        Assert.That(RunEntry.PerPage, Is.EqualTo(85));
        Assert.That(ReferenceEntry.PerPage, Is.EqualTo(63));
        Assert.That(IndexLayout.PageHeaderBytes + (RunEntry.PerPage * RunEntry.Bytes), Is.EqualTo(4096));
        Assert.That(IndexPage.EntriesMax(RunEntry.Bytes), Is.EqualTo(RunEntry.PerPage));
        Assert.That(IndexPage.EntriesMax(ReferenceEntry.Bytes), Is.EqualTo(ReferenceEntry.PerPage));
    }

    [Test]
    public void RunEntry_Written_HasEachFieldInItsPlace()
    {
        var page = new byte[4096];
        RunEntry.Write(page.AsSpan(16 + 48, 48), 0x01020304, new LayerRun(512, 1024, 3, 4, 5, true, 6));
        var entry = page.AsSpan(64);
        long[] longs = [512, 1024, 3, 4, 6];
        for (var i = 0; i < longs.Length; i++) Assert.That(BinaryPrimitives.ReadInt64LittleEndian(entry[(8 * i)..]), Is.EqualTo(longs[i]), $"field {i}");
        Assert.That(BinaryPrimitives.ReadUInt32LittleEndian(entry[40..]), Is.EqualTo(0x01020304));
        Assert.That(BinaryPrimitives.ReadUInt32LittleEndian(entry[44..]), Is.EqualTo(0x80000005));
        Assert.That(RunEntry.Read(page, 1), Is.EqualTo(new LayerRun(512, 1024, 3, 4, 5, true, 6)));
    }

    [Test]
    public void FirstEndingAfter_EveryOffsetAndGuess_FindsTheSame([Values(1, 2, 7, 85)] int count)
    {
        var page = new byte[4096];
        for (var i = 0; i < count; i++) RunEntry.Write(page.AsSpan(16 + (i * 48), 48), 1, new LayerRun(i * 1024, (i * 1024) + 512, 1, 1, 1, false, 0));
        for (long offset = 0; offset <= count * 1024; offset += 256)
        {
            var expected = Enumerable.Range(0, count).Count(i => (i * 1024) + 512 <= offset);
            for (var guess = 0; guess < count; guess++)
                if (RunEntry.FirstEndingAfter(page, count, offset, guess) != expected) Assert.Fail($"offset {offset}, guess {guess}");
        }
    }

    [Test]
    public void ReferenceEntry_Written_HasEachFieldInItsPlace()
    {
        var reference = new RecordRef
        {
            Kind = RecordKind.HandDown,
            Number = 11,
            Content = RecordContent.Zero,
            Offset = 512,
            Length = 1024,
            Serial = 14,
            HeaderOffset = 15,
            HeaderLength = 16,
            PayloadOffset = 17,
            PayloadLength = 18,
            FirstChecksum = 19,
        };
        var page = new byte[4096];
        ReferenceEntry.Write(page.AsSpan(16 + 64, 64), reference);
        var entry = page.AsSpan(80);
        long[] longs = [11, 512, 1024, 14];
        for (var i = 0; i < longs.Length; i++) Assert.That(BinaryPrimitives.ReadInt64LittleEndian(entry[(8 * i)..]), Is.EqualTo(longs[i]), $"field {i}");
        for (var i = 0; i < 5; i++) Assert.That(BinaryPrimitives.ReadInt32LittleEndian(entry[(32 + (4 * i))..]), Is.EqualTo(15 + i), $"field {4 + i}");
        Assert.That((entry[52], entry[53]), Is.EqualTo(((byte)33, (byte)1)));
        Assert.That(entry[54..64].ToArray(), Is.All.Zero);
        Assert.That(ReferenceEntry.Read(page, 1), Is.EqualTo(reference));
        Assert.That(ReferenceEntry.Number(page, 1), Is.EqualTo(11));
    }

    [Test]
    public void IndexFileName_Parsed_IsWhatWasNamed()
    {
        var (first, end) = (new CommitPlace(7, 3), new CommitPlace(12345678901, 4_000_000_000));
        Assert.That(IndexFileName.Of(first, end), Is.EqualTo("index-0000000007-0000000003-12345678901-4000000000.vri"));
        Assert.That(IndexFileName.TryParse(IndexFileName.Of(first, end), out var f, out var e), Is.True);
        Assert.That((f, e), Is.EqualTo((first, end)));
        Assert.That(IndexFileName.IsSpare(IndexFileName.SpareOf(first, end)), Is.True);
        Assert.That(IndexFileName.IsSpare("spare-segment-0000000001.vrj"), Is.False);
    }

    [TestCase("index-0000000007-0000000003-0000000007-0000000003.vri", TestName = "IndexFileName_OfNothing_DoesNotParse")]
    [TestCase("index-0000000009-0000000003-0000000007-0000000003.vri", TestName = "IndexFileName_Backwards_DoesNotParse")]
    [TestCase("index-000000001-0000000003-0000000007-0000000003.vri", TestName = "IndexFileName_NineDigits_DoesNotParse")]
    [TestCase("index-00000000001-0000000003-0000000007-0000000003.vri", TestName = "IndexFileName_ZeroTooMany_DoesNotParse")]
    [TestCase("index-+000000001-0000000003-0000000007-0000000003.vri", TestName = "IndexFileName_Sign_DoesNotParse")]
    [TestCase("index-0000000001-0000000003-0000000007.vri", TestName = "IndexFileName_ThreeNumbers_DoesNotParse")]
    [TestCase("index-0000000001-0000000003-0000000007-4294967296.vri", TestName = "IndexFileName_CommitTooLarge_DoesNotParse")]
    [TestCase("index-.vri", TestName = "IndexFileName_Empty_DoesNotParse")]
    [TestCase("spare-index-0000000001-0000000003-0000000007-0000000003.vri", TestName = "IndexFileName_Spare_DoesNotParse")]
    public void IndexFileName_OtherNames_DoNotParse(string name) => Assert.That(IndexFileName.TryParse(name, out _, out _), Is.False);
}
