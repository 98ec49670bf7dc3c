using VmRepl.Blocks;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Limits;

/// <summary>
/// Contents that are handed down from a segment that is retired. What does not verify is handed down as damaged: it is lost for the points that read it, as it was before, and everything else goes on.
/// Without this, one flipped bit would keep the oldest segment, and with it the journal, from ever moving on.
/// </summary>
internal static class HandDownContents
{
    /// <summary>Reads a range in pieces.</summary>
    /// <param name="chunksFrom">Where the record's checksum chunks are counted from.</param>
    /// <param name="read">Reads and verifies.</param>
    /// <returns>The pieces in order; no contents where they are damaged.</returns>
    public static IEnumerable<(Extent Piece, byte[]? Contents)> Read(Extent range, long chunksFrom, int pieceBytes, Func<Extent, byte[]> read)
    {
        for (var at = range.Offset; at < range.End; at += pieceBytes)
        {
            var piece = new Extent(at, Math.Min(pieceBytes, range.End - at));
            if (TryRead(piece, read) is { } contents)
            {
                yield return (piece, contents);
                continue;
            }

            foreach (var part in Parts(piece, chunksFrom, read)) yield return (part.Piece, part.IsDamaged ? null : read(part.Piece));
        }
    }

    /// <summary>Which parts of a piece are damaged; neighbours of one kind together.</summary>
    private static List<(Extent Piece, bool IsDamaged)> Parts(Extent piece, long chunksFrom, Func<Extent, byte[]> read)
    {
        const int chunk = RecordLimits.ChecksumChunkBytes;
        var parts = new List<(Extent Piece, bool IsDamaged)>();
        for (var at = piece.Offset; at < piece.End;)
        {
            var end = Math.Min(piece.End, chunksFrom + Sectors.AlignDown(at - chunksFrom, chunk) + chunk);
            var part = Extent.FromEnds(at, end);
            var isDamaged = TryRead(part, read) is null;
            if (parts.Count > 0 && parts[^1].IsDamaged == isDamaged) parts[^1] = (Extent.FromEnds(parts[^1].Piece.Offset, end), isDamaged);
            else parts.Add((part, isDamaged));
            at = end;
        }

        return parts;
    }

    private static byte[]? TryRead(Extent part, Func<Extent, byte[]> read)
    {
        try
        {
            return read(part);
        }
        catch (JournalDamagedException)
        {
            return null;
        }
    }
}
