using VmRepl.Blocks;
using VmRepl.Fuzz.Corpus;
using VmRepl.Fuzz.Storage;

namespace VmRepl.Fuzz.Mutations;

/// <summary>Puts the checksums of a mutant right, so that its damage is looked at and not only its checksums.</summary>
internal static class Sealing
{
    private const int LogEntryBytesMax = 1 << 20;

    public static void Apply(CorpusFile from, PagedBytes to)
    {
        foreach (var seal in from.Seals) Apply(seal, to);
    }

    private static void Apply(Seal seal, PagedBytes to)
    {
        var length = seal.Kind == SealKind.LogEntry ? LogEntryLength(seal, to) : seal.Length;
        if (seal.Offset + length > to.Length) return;
        var bytes = new byte[length];
        to.Read(seal.Offset, bytes);
        var field = bytes.AsSpan(seal.Field, sizeof(uint));
        var before = Numbers.Read(field, isBigEndian: false);
        field.Clear();
        if (seal.Kind == SealKind.ByteSum) Numbers.Write(field, ~(uint)bytes.Sum(b => b), isBigEndian: true);
        else Numbers.Write(field, Crc32C.Compute(bytes), isBigEndian: false);
        if (Numbers.Read(field, isBigEndian: false) != before) to.Write(seal.Offset + seal.Field, field);
    }

    /// <summary>The length that the entry claims now, where a reader could believe it. One that wraps round the log's end is left as it is.</summary>
    private static int LogEntryLength(Seal seal, PagedBytes to)
    {
        Span<byte> field = stackalloc byte[sizeof(uint)];
        to.Read(seal.Offset + 8, field);
        var claimed = Numbers.Read(field, isBigEndian: false);
        return claimed is > 0 and <= LogEntryBytesMax && claimed % 4096 == 0 ? (int)claimed : seal.Length;
    }
}
