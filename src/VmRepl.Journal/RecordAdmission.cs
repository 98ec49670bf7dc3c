using VmRepl.Blocks;
using VmRepl.Journal.Points;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal;

/// <summary>What a record must be to be taken into a group's journal. Peers are not trusted: nothing is written before the whole batch has passed.</summary>
internal static class RecordAdmission
{
    /// <param name="after">Sequence of the newest record taken.</param>
    /// <param name="payloadBytesMax">Largest payload that a segment takes.</param>
    /// <exception cref="ArgumentException">A record does not fit the group.</exception>
    public static void Check(IReadOnlyList<Record> records, ulong after, IReadOnlyDictionary<uint, IBlockDevice> live, PointList points, long payloadBytesMax)
    {
        // A bookmark may name a point that the same batch makes.
        var seen = records.Any(r => r.Header.Kind == RecordKind.Bookmark) ? points.Copy() : null;
        foreach (var record in records)
        {
            var header = record.Header;
            if (header.Kind >= RecordKind.Undo) throw new ArgumentException($"a record of kind {header.Kind} does not travel");
            if (header.Sequence <= after) throw new ArgumentException($"sequence {header.Sequence} came after {after}");
            after = header.Sequence;
            if (record.PayloadLength > payloadBytesMax) throw new ArgumentException($"{record} has {record.PayloadLength} bytes, {payloadBytesMax} is the most that this journal takes");
            if (header.Kind == RecordKind.Bookmark && seen!.WhyRefused(header) is { } reason) throw new ArgumentException(reason);
            seen?.Observe(header);
            if (header.Kind is not (RecordKind.Write or RecordKind.Zero or RecordKind.Punch)) continue;
            if (!live.TryGetValue(header.Disk, out var disk)) throw new ArgumentException($"{record} names a disk that the group does not have");
            if (header.Offset + header.Length > disk.Length) throw new ArgumentException($"{record} lies outside the disk of {disk.Length} bytes");
        }
    }
}
