using System.Buffers.Binary;

namespace VmRepl.Images.Vhdx;

/// <summary>
/// Writes changes of the block allocation table through the log ([MS-VHDX] 2.3), so that a crash at any write leaves the table old or new.
/// <para>
/// One commit is one entry that is its own tail: (1) everything written before is flushed, the payload that the entry points to and the table as the commit before left it;
/// (2) the entry is written and flushed: from here on the change holds; (3) the table is written in place, and flushed by (1) of the next commit, or by <see cref="Close"/>.
/// A torn entry leaves the one before it as the active sequence; replaying that is harmless, for nothing later has reached the table.
/// Two entries together never fill the log, so writing one cannot spoil the one before it.
/// </para>
/// <para>The log is claimed in the header (its GUID) after the first entry is durable, and given up in <see cref="Close"/> after the last table write is.</para>
/// </summary>
internal sealed class VhdxLogWriter(VhdxFile file, VhdxHeaderPair headers, Func<Guid> newGuid)
{
    private readonly Guid logGuid = newGuid();
    private readonly int logLength = (int)headers.Current.LogLength;
    private readonly long logOffset = (long)headers.Current.LogOffset;
    private int position;
    private ulong sequence;

    /// <summary>Most sectors in one commit: an entry of them with its descriptors has less than half of the log.</summary>
    public int SectorsMax => (logLength / VhdxLayout.LogSectorBytes / 2) - 4;

    /// <summary>Steps 2 and 3; the caller has done step 1 after it took <paramref name="sectors"/>.</summary>
    public void Commit(IReadOnlyList<(long FileOffset, byte[] Sector)> sectors)
    {
        var entry = Entry(sectors, ++sequence, checked((ulong)file.File.Length));
        var first = Math.Min(entry.Length, logLength - position);
        file.File.Write(logOffset + position, entry.AsSpan(0, first));
        if (first < entry.Length) file.File.Write(logOffset, entry.AsSpan(first));
        position = (position + entry.Length) % logLength;
        file.File.Flush();
        if (headers.Current.LogGuid == Guid.Empty) headers.Update(headers.Current with { LogGuid = logGuid });
        foreach (var (offset, sector) in sectors) file.File.Write(offset, sector);
    }

    /// <summary>Makes the table durable and gives up the log. Nothing happens if it was never used.</summary>
    public void Close()
    {
        if (headers.Current.LogGuid == Guid.Empty) return;
        file.File.Flush();
        headers.Update(headers.Current with { LogGuid = Guid.Empty });
    }

    private byte[] Entry(IReadOnlyList<(long FileOffset, byte[] Sector)> sectors, ulong number, ulong fileLength)
    {
        const int size = VhdxLayout.LogSectorBytes;
        var head = VhdxLogEntry.DescriptorSectors(sectors.Count) * size;
        var entry = new byte[head + (sectors.Count * size)];
        VhdxLogEntry.Signature.CopyTo(entry);
        BinaryPrimitives.WriteInt32LittleEndian(entry.AsSpan(8), entry.Length);
        BinaryPrimitives.WriteInt32LittleEndian(entry.AsSpan(12), position);
        BinaryPrimitives.WriteUInt64LittleEndian(entry.AsSpan(16), number);
        BinaryPrimitives.WriteInt32LittleEndian(entry.AsSpan(24), sectors.Count);
        logGuid.TryWriteBytes(entry.AsSpan(32));
        BinaryPrimitives.WriteUInt64LittleEndian(entry.AsSpan(48), fileLength);
        BinaryPrimitives.WriteUInt64LittleEndian(entry.AsSpan(56), fileLength);
        for (var i = 0; i < sectors.Count; i++)
        {
            var (offset, sector) = sectors[i];
            var descriptor = entry.AsSpan(VhdxLogEntry.HeaderBytes + (i * VhdxLogEntry.DescriptorBytes), VhdxLogEntry.DescriptorBytes);
            VhdxLogEntry.DataDescriptor.CopyTo(descriptor);
            sector.AsSpan(size - 4).CopyTo(descriptor[4..]);
            sector.AsSpan(0, 8).CopyTo(descriptor[8..]);
            BinaryPrimitives.WriteInt64LittleEndian(descriptor[16..], offset);
            BinaryPrimitives.WriteUInt64LittleEndian(descriptor[24..], number);
            var data = entry.AsSpan(head + (i * size), size);
            VhdxLogEntry.DataSector.CopyTo(data);
            BinaryPrimitives.WriteUInt32LittleEndian(data[4..], (uint)(number >> 32));
            sector.AsSpan(8, size - 12).CopyTo(data[8..]);
            BinaryPrimitives.WriteUInt32LittleEndian(data[(size - 4)..], (uint)number);
        }

        VhdxChecksum.Put(entry);
        return entry;
    }
}
