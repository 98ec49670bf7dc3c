using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Segments;
using VmRepl.Protocol.MessagePack;
using VmRepl.Protocol.Records;
using VmRepl.Simulation.Storage;

namespace VmRepl.Simulation.Workload;

/// <summary>Walks a segment's file as the format says, to know where a flipped bit must be found and where nobody can tell: free space, and padding.</summary>
internal static class SegmentPlaces
{
    /// <summary>In the order of the commits, each with its payloads behind it.</summary>
    public static List<SegmentPlace> Find(SimulatedDirectory journal, string name)
    {
        var bytes = journal.Contents(name);
        SegmentHeader segment;
        using (var file = journal.Open(name, HostFileAccess.Read)) segment = SegmentHeader.Read(file);
        _ = Frame.TryReadPrefix(bytes, SegmentLayout.HeaderMagic, out _, out var headerBytes);
        List<SegmentPlace> places = [new(name, SegmentPlaceKind.Header, 0, SegmentLayout.FramePrefixBytes + headerBytes, -1)];
        long at = SegmentLayout.HeaderBytes;
        for (var commit = 0; ReadBody(bytes, at, segment) is { } body; commit++)
        {
            places.Add(new SegmentPlace(name, SegmentPlaceKind.Commit, at, SegmentLayout.FramePrefixBytes + body.Length, commit));
            var reader = new MessagePackReader(body);
            for (var left = CommitHeader.Read(ref reader).Records; left > 0; left--)
            {
                var record = Record.Read(ref reader, body, out var place);
                if (place >= 0) places.Add(new SegmentPlace(name, record.Header.Kind == RecordKind.HandDown ? SegmentPlaceKind.HandDown : SegmentPlaceKind.Payload, place, record.PayloadLength, commit));
            }

            at += Sectors.AlignUp(SegmentLayout.FramePrefixBytes + body.Length, SegmentLayout.CommitAlignment);
        }

        return places;
    }

    private static byte[]? ReadBody(byte[] bytes, long at, SegmentHeader segment)
    {
        if (at + SegmentLayout.FramePrefixBytes > bytes.Length || !Frame.TryReadPrefix(bytes.AsSpan((int)at), SegmentLayout.CommitMagic, out var checksum, out var length)) return null;
        at += SegmentLayout.FramePrefixBytes;
        if (length > bytes.Length - at) return null;
        var body = bytes.AsSpan((int)at, (int)length).ToArray();
        return Crc32C.Compute(body) == checksum && CommitHeader.IsOf(body, segment) ? body : null;
    }
}
