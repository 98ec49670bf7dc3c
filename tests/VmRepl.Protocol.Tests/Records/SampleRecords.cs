using VmRepl.Protocol.Records;

namespace VmRepl.Protocol.Tests.Records;

/// <summary>One record of each kind, and more where the kind has more than one shape.</summary>
internal static class SampleRecords
{
    public static IEnumerable<Record> All()
    {
        yield return Write(1, 512);
        yield return Write(ulong.MaxValue, 65536 + 1536);
        yield return Zero(2);
        yield return Record.Create(new RecordHeader { Kind = RecordKind.Punch, Sequence = 3, Offset = 1L << 50, Length = 1L << 62, Content = RecordContent.Hole }, default);
        yield return Fact(RecordKind.Bookmark, 4, [], ("name", "vor dem Ümzug"), ("consistency", "application"));
        yield return Fact(RecordKind.Metadata, 5, "<domain type='kvm'/>"u8.ToArray(), ("key", "definition"));
        yield return Fact(RecordKind.Clone, 6, []);
        yield return Fact(RecordKind.Membership, 7, [1, 2, 3]);
        yield return Record.Create(new RecordHeader { Kind = RecordKind.Resize, Sequence = 8, Disk = uint.MaxValue, Length = 12345 }, default);
        yield return Fact(RecordKind.Rewind, 9, [], ("to", "17"));
        yield return Record.Create(new RecordHeader { Kind = RecordKind.Epoch, Sequence = 10, Epoch = 2, TimeUs = -5 }, default);
        yield return Fact(RecordKind.ResyncBegin, 11, []);
        yield return Fact(RecordKind.ResyncEnd, 12, []);
        foreach (var kind in new[] { RecordKind.Undo, RecordKind.HandDown })
        {
            yield return Record.Create(new RecordHeader { Kind = kind, Disk = 1, Offset = 4096, Length = 1024, Undoes = 77 }, Random(1024));
            yield return Record.Create(new RecordHeader { Kind = kind, Disk = 1, Length = 1L << 30, Undoes = 77, Content = RecordContent.Hole }, default);
            yield return Record.Create(new RecordHeader { Kind = kind, Disk = 1, Length = 512, Undoes = 77, Content = RecordContent.Zero }, default);
        }

        yield return Record.Create(new RecordHeader { Kind = RecordKind.Checkpoint, Attributes = new Dictionary<string, string> { ["applied"] = "12", ["base"] = "" } }, default);
    }

    public static Record Write(ulong sequence, int length) =>
        Record.Create(
            new RecordHeader { Kind = RecordKind.Write, Sequence = sequence, TimeUs = 1_795_000_000_000_000, Epoch = 1, Disk = 3, Offset = 1L << 41, Length = length },
            Random(length));

    public static Record Zero(ulong sequence) =>
        Record.Create(new RecordHeader { Kind = RecordKind.Zero, Sequence = sequence, TimeUs = 5, Disk = 1, Offset = 512, Length = 1536 }, default);

    public static Record Fact(RecordKind kind, ulong sequence, byte[] payload, params (string Key, string Value)[] attributes) =>
        Record.Create(
            new RecordHeader { Kind = kind, Sequence = sequence, Attributes = attributes.Length == 0 ? null : attributes.ToDictionary(pair => pair.Key, pair => pair.Value) },
            payload);

    public static byte[] Random(int length)
    {
        var bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        return bytes;
    }

    public static void AssertSame(Record found, Record expected)
    {
        Assert.That(found.Header with { Attributes = null }, Is.EqualTo(expected.Header with { Attributes = null }));
        Assert.That(found.Header.Attributes, expected.Header.Attributes is null ? Is.Null : Is.EquivalentTo(expected.Header.Attributes!));
        Assert.That(found.PayloadLength, Is.EqualTo(expected.PayloadLength));
        Assert.That(found.Payload.ToArray(), Is.EqualTo(expected.Payload.ToArray()));
        Assert.That(found.Checksums.ToArray(), Is.EqualTo(expected.Checksums.ToArray()));
    }
}
