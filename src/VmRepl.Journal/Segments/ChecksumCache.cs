namespace VmRepl.Journal.Segments;

/// <summary>The payload checksums of the records that were read last, so that reading a large record piece by piece reads its header once. Of a fixed size; safe for concurrent use.</summary>
internal sealed class ChecksumCache
{
    private const int Slots = 256;
    private const int BytesMax = 8192;

    private readonly Entry?[] entries = new Entry?[Slots];

    /// <summary>The checksums of a record: a CRC-32C, little endian, for each 4096 bytes. Null where they are not here.</summary>
    public byte[]? Find(ulong serial, uint headerOffset) =>
        Volatile.Read(ref entries[Slot(serial, headerOffset)]) is { } entry && entry.Serial == serial && entry.HeaderOffset == headerOffset ? entry.Checksums : null;

    public void Add(ulong serial, uint headerOffset, byte[] checksums)
    {
        if (checksums.Length <= BytesMax) Volatile.Write(ref entries[Slot(serial, headerOffset)], new Entry(serial, headerOffset, checksums));
    }

    public void Clear() => Array.Clear(entries);

    private static int Slot(ulong serial, uint headerOffset) => (int)(((serial * 0x9e3779b97f4a7c15) + (headerOffset * 0xff51afd7ed558ccd)) >> 56);

    private sealed record Entry(ulong Serial, uint HeaderOffset, byte[] Checksums);
}
