using VmRepl.Protocol.Records;

namespace VmRepl.Replication.Replica;

/// <summary>Cuts a batch into pieces that any capacity has room for, one after the other.</summary>
internal static class AppendPieces
{
    private const long BytesMax = 16 << 20;

    /// <param name="bytesMax">Most bytes that a piece may journal, where that is less than the usual.</param>
    public static IEnumerable<List<Record>> Of(List<Record> batch, long bytesMax)
    {
        var most = Math.Min(BytesMax, bytesMax);
        var piece = new List<Record>();
        long bytes = 0;
        foreach (var record in batch)
        {
            // What is punched or zeroed has its old contents journaled, of which there are as many bytes at most.
            var needed = record.Header.Kind is RecordKind.Zero or RecordKind.Punch ? record.Header.Length : record.PayloadLength;
            if (piece.Count > 0 && bytes + needed > most)
            {
                yield return piece;
                piece = [];
                bytes = 0;
            }

            piece.Add(record);
            bytes += needed;
            if (record.Header.Kind != RecordKind.ResyncEnd) continue;
            // What follows the end of a baseline is journaled: the end has to be there first.
            yield return piece;
            piece = [];
            bytes = 0;
        }

        if (piece.Count > 0) yield return piece;
    }
}
