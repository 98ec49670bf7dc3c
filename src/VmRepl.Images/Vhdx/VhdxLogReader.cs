namespace VmRepl.Images.Vhdx;

/// <summary>Finds the entries of a log that have to be replayed ([MS-VHDX] 2.3.2): the valid sequence with the highest sequence number at its head, from its tail on.</summary>
internal static class VhdxLogReader
{
    /// <summary>
    /// The active sequence, oldest first.
    /// </summary>
    /// <exception cref="ImageFormatException">The header says that the log is in use, and it holds no valid sequence; or reading it would take absurdly long.</exception>
    public static IReadOnlyList<VhdxLogEntry> ActiveSequence(VhdxFile file, VhdxHeader header)
    {
        var log = new byte[(int)header.LogLength];
        file.Read((long)header.LogOffset, log, "log");
        var entries = Entries(file, header, log);
        List<VhdxLogEntry>? best = null;
        foreach (var start in entries)
        {
            // A sequence that begins inside a better one can only be its end.
            if (start is null || (best is not null && start.Sequence <= best[^1].Sequence && start.Sequence >= best[0].Sequence)) continue;
            var chain = Chain(entries, start, log.Length);
            var tail = chain.FindIndex(e => e.Offset == chain[^1].Tail);
            if (tail < 0 || (best is not null && chain[^1].Sequence <= best[^1].Sequence)) continue;
            best = chain[tail..];
        }

        return best ?? throw file.Mismatch((long)header.LogOffset, "log", $"with a valid sequence of {header.LogGuid}, which is in use", "without one: changes of the metadata are lost");
    }

    private static List<VhdxLogEntry> Chain(VhdxLogEntry?[] entries, VhdxLogEntry start, int logLength)
    {
        var chain = new List<VhdxLogEntry> { start };
        long bytes = start.Length;
        while (true)
        {
            var last = chain[^1];
            var next = entries[(int)(((long)last.Offset + last.Length) % logLength / VhdxLayout.LogSectorBytes)];
            if (next is null || next.Sequence != last.Sequence + 1 || (bytes += next.Length) > logLength) return chain;
            chain.Add(next);
        }
    }

    private static VhdxLogEntry?[] Entries(VhdxFile file, VhdxHeader header, byte[] log)
    {
        const int sector = VhdxLayout.LogSectorBytes;
        var entries = new VhdxLogEntry?[log.Length / sector];
        // Sound entries do not overlap, old ones that the ring came round to do a little; a log made to be all entries would cost its square.
        var budget = (8L * log.Length) + VhdxLayout.LogBytesMax;
        var scratch = Array.Empty<byte>();
        for (var offset = 0; offset < log.Length; offset += sector)
        {
            var length = VhdxLogEntry.ClaimedLength(log.AsSpan(offset, sector), header.LogGuid, log.Length);
            if (length == 0) continue;
            if ((budget -= length) < 0) throw file.Mismatch((long)header.LogOffset + offset, "log", "of entries that do not overlap", "one whose entries overlap each other more than any log's do");
            if (scratch.Length < length) scratch = new byte[length];
            entries[offset / sector] = VhdxLogEntry.TryParse(log, offset, scratch.AsSpan(0, length));
        }

        return entries;
    }
}
