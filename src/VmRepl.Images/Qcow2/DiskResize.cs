using System.Buffers.Binary;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Qcow2;

/// <summary>
/// Gives a QCOW2 image another size. In this order, with the host writing each step before the next: an L1 table that is too short is copied to a longer one, which the header then
/// names (offset and size of L1 stand side by side in its first sector); what was behind the old end (the rest of its last cluster, a longer parent, entries of a saved machine state) is
/// made zeros; the header gets the new size. A crash leaves the old size, and perhaps space lost, or the new one.
/// </summary>
/// <param name="zero">Makes a range of the disk zeros, in the tables as they are in memory.</param>
/// <param name="parentLength">Bytes of what is behind the image; 0 where it stands alone.</param>
internal sealed class DiskResize(IHostFile file, Qcow2Header header, L2Cache tables, TableChanges changes, Action<long, long> zero, long parentLength)
{
    private const int SizeToL1Bytes = 24;

    /// <exception cref="NotSupportedException">The clusters are too small for the size, or snapshots of version 2 do not say theirs.</exception>
    public void Run(long length)
    {
        var entries = (length + header.BytesPerL2 - 1) / header.BytesPerL2;
        if (entries > Qcow2Layout.L1BytesMax / sizeof(ulong)) throw new NotSupportedException($"{file.Path}: clusters of {header.ClusterSize} bytes are too small for a disk of {length} bytes");
        if (header.Version == 2 && header.SnapshotCount > 0) throw new NotSupportedException($"{file.Path}: a snapshot in an image of version 2 does not say its size, so the image keeps its own");
        changes.Begin();
        changes.WriteBack(isOrdered: true);
        var old = header.DiskLength;
        if (length > old) ExtendL1((int)entries);
        header.Size = length;
        changes.Begin();
        ZeroBehind(old, length);
        changes.WriteBack(isOrdered: true);
        file.Flush();
        PutSizeAndL1(length);
    }

    private void ExtendL1(int entries)
    {
        if (entries <= header.L1Entries)
        {
            if (entries > tables.L1.Length) tables.L1 = file.ReadNumbers(header.L1Offset, entries, "L1 table");
            return;
        }

        var former = new Extent(header.L1Offset >> header.ClusterBits, Sectors.AlignUp((long)header.L1Entries * sizeof(ulong), header.ClusterSize) >> header.ClusterBits);
        var clusters = (int)(Sectors.AlignUp((long)entries * sizeof(ulong), header.ClusterSize) >> header.ClusterBits);
        var l1 = file.ReadNumbers(header.L1Offset, header.L1Entries, "L1 table");
        Array.Resize(ref l1, clusters * (header.ClusterSize / sizeof(ulong)));
        changes.Begin();
        var place = changes.AllocateRow(clusters) << header.ClusterBits;
        changes.WriteBack(isOrdered: true);
        file.WriteNumbers(place, l1);
        file.Flush();
        header.L1Offset = place;
        header.L1Entries = Math.Min(l1.Length, Qcow2Layout.L1BytesMax / sizeof(ulong));
        tables.L1 = l1[..entries];
        PutSizeAndL1(header.Size);
        if (former.Length > 0) changes.Release(former);
    }

    private void ZeroBehind(long old, long length)
    {
        for (long at = old, end; at < length; at = end)
        {
            var index = at / header.BytesPerL2;
            end = Math.Min(length, (index + 1) * header.BytesPerL2);
            // Without a table a range is the parent's, or zeros.
            var needed = tables.L1[index] != 0 ? end : Math.Min(end, parentLength);
            if (needed > at) zero(at, needed - at);
        }
    }

    /// <summary>Size, encryption method (none), entries and place of L1: bytes 24 to 47, one write, whole or not at all.</summary>
    private void PutSizeAndL1(long size)
    {
        Span<byte> fields = stackalloc byte[SizeToL1Bytes];
        BinaryPrimitives.WriteInt64BigEndian(fields, size);
        BinaryPrimitives.WriteInt32BigEndian(fields[(Qcow2Layout.L1SizeAt - Qcow2Layout.SizeAt)..], header.L1Entries);
        BinaryPrimitives.WriteInt64BigEndian(fields[(Qcow2Layout.L1OffsetAt - Qcow2Layout.SizeAt)..], header.L1Offset);
        file.Write(Qcow2Layout.SizeAt, fields);
        file.Flush();
    }
}
