using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Qcow2;

/// <summary>
/// Writing into a QCOW2 image. Data goes to the file at once; tables change in memory and are written by <see cref="Flush"/>, in the order
/// that <see cref="TableChanges"/> has. A crash at any point therefore leaves the image as of the last flush,
/// with newer contents in place where clusters were in place already, and perhaps with space lost; never with a cluster in use that counts as free.
/// <para>
/// States: opened, nothing written; <i>prepared</i> (an existing image was checked and its autoclear bits are clear); <i>failed</i>. A write that fails leaves tables in memory that
/// may promise data which is not there, so the image then stays failed: nothing more is written, and the file stays as of the last flush.
/// </para>
/// <para>
/// Locks: readers and writers hold <see cref="Gate"/> shared, flushing holds it alone, so a flushed table never names data that is still on its way, and a freed cluster is reused
/// only when nobody reads it any more. The tables are changed under a second lock; reads look at them without it, since an entry is one word and names its data only
/// when other sectors of the same cluster are readable.
/// </para>
/// </summary>
internal sealed class Qcow2Writer : IDisposable
{
    private const int DirtyBytesMax = 16 << 20, DirtyTablesMin = 8;

    /// <summary>Runs of new clusters from this size on take their space before they are written.</summary>
    private const int ReserveBytesMin = 256 << 10;

    private readonly Lock tablesLock = new();
    private readonly IHostFile file;
    private readonly Qcow2Header header;
    private readonly L2Cache tables;
    private readonly ReadOldContents readOld;
    private readonly bool hasParent;
    private readonly TableChanges changes;
    private readonly int clusterSize, dirtyTablesMax;
    private ClusterMap? clusters;
    private bool isPrepared, isOrdered;
    private volatile bool hasFailed;

    /// <summary>Reads the disk as the tables have it now.</summary>
    public delegate void ReadOldContents(long offset, Span<byte> buffer);

    public Qcow2Writer(IHostFile file, Qcow2Header header, L2Cache tables, ReadOldContents readOld, bool hasParent, bool isNew)
    {
        this.file = file;
        this.header = header;
        this.tables = tables;
        this.readOld = readOld;
        this.hasParent = hasParent;
        clusterSize = header.ClusterSize;
        dirtyTablesMax = Math.Max(DirtyTablesMin, DirtyBytesMax / clusterSize);
        changes = new TableChanges(file, header, tables);
        isPrepared = isNew;
        // Nobody counts on a new image before its first flush, so until then nothing is gained by waiting for the disk.
        isOrdered = !isNew;
    }

    /// <summary>Shared by reads and writes, exclusive for flushing.</summary>
    public ReaderWriterLockSlim Gate { get; } = new();

    /// <summary>Bytes of the file that may be read, those of clusters just taken included.</summary>
    public long EndOfFile => changes.EndOfFile;

    /// <summary>Whether the file's tables are not yet those in memory.</summary>
    public bool HasUnwritten => changes.IsChanged;

    /// <exception cref="ImageFormatException">The image is of a kind that is read but not written.</exception>
    public static void RequireWritable(IHostFile file, Qcow2Header header)
    {
        var why = header.IsCorrupt ? "those of an image that is marked corrupt; repair a copy with qemu-img check -r all"
            : header.IsDirty ? "those of an image that was not closed properly, whose refcounts are stale; repair it with qemu-img check -r all"
            : header.HasExternalData ? "those of an image with an external data file, which is read, not written"
            : header.HasExtendedL2 ? "those of an image with extended L2 entries, which is read, not written"
            : null;
        if (why is not null) throw ImageFormatException.Mismatch(file.Path, Qcow2Layout.IncompatibleAt, "incompatible_features", "such that can be written", why);
    }

    public void Attach(ClusterMap map) => clusters = map;

    public ClusterRun Find(long offset, long length) => clusters!.Find(offset, length);

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        Enter();
        try
        {
            WriteRuns(offset, data);
        }
        catch
        {
            hasFailed = true;
            throw;
        }
        finally
        {
            Gate.ExitReadLock();
        }
    }

    /// <summary>Makes the range read as zeros and gives whole clusters back at the next flush.</summary>
    public void Zero(long offset, long length)
    {
        if (length == 0) return;
        Enter();
        try
        {
            ZeroRuns(offset, length);
        }
        catch
        {
            hasFailed = true;
            throw;
        }
        finally
        {
            Gate.ExitReadLock();
        }
    }

    /// <summary>Gives the disk another size, durably: <see cref="DiskResize"/> has the order.</summary>
    /// <param name="parentLength">Bytes of what is behind the image.</param>
    public void Resize(long length, long parentLength)
    {
        Gate.EnterWriteLock();
        try
        {
            RequireSound();
            Prepare();
            new DiskResize(file, header, tables, changes, ZeroRuns, parentLength).Run(length);
            isOrdered = true;
        }
        catch (Exception e) when (e is not NotSupportedException)
        {
            hasFailed = true;
            throw;
        }
        finally
        {
            Gate.ExitWriteLock();
        }
    }

    public void Flush()
    {
        Gate.EnterWriteLock();
        try
        {
            isOrdered = true;
            WriteBack();
            file.Flush();
        }
        finally
        {
            Gate.ExitWriteLock();
        }
    }

    public void Dispose()
    {
        try
        {
            if (!hasFailed) WriteBack();
        }
        finally
        {
            Gate.Dispose();
        }
    }

    private void Enter()
    {
        if (changes.DirtyTables > dirtyTablesMax) FlushTables();
        Gate.EnterReadLock();
        try
        {
            RequireSound();
            lock (tablesLock) Prepare();
        }
        catch
        {
            Gate.ExitReadLock();
            throw;
        }
    }

    private void FlushTables()
    {
        Gate.EnterWriteLock();
        try
        {
            WriteBack();
        }
        finally
        {
            Gate.ExitWriteLock();
        }
    }

    private void RequireSound()
    {
        if (hasFailed) throw new IOException($"{file.Path}: an earlier write failed; the file is as of the flush before it and takes no more writes");
    }

    /// <summary>
    /// Once, before the first write into an existing image. A cluster that is in use but counts as free would be given away, so a damaged image is not written.
    /// Autoclear bits are cleared, since what they vouch for (bitmaps, for one) is not kept up here.
    /// </summary>
    private void Prepare()
    {
        if (isPrepared) return;
        if (new Qcow2Check(file, header).Run().FirstOrDefault(f => f.IsDamage) is { } damage)
            throw ImageFormatException.Mismatch(file.Path, -1, "tables", "sound to be written", $"damaged: {damage.Message}");
        if (header.Autoclear != 0)
        {
            file.Write(Qcow2Layout.AutoclearAt, new byte[sizeof(ulong)]);
            file.Flush();
        }

        isPrepared = true;
    }

    private void WriteRuns(long offset, ReadOnlySpan<byte> data)
    {
        while (!data.IsEmpty)
        {
            (long Host, int Length, bool IsVirgin) run;
            lock (tablesLock) run = Place(offset, data);
            if (run.IsVirgin && run.Length >= ReserveBytesMin) file.TryReserve(run.Host, run.Length);
            if (run.Host >= 0) file.Write(run.Host, data[..run.Length]);
            offset += run.Length;
            data = data[run.Length..];
        }
    }

    /// <summary>Finds or makes the place of the first bytes of <paramref name="data"/>. A host offset of -1: they are written already.</summary>
    private (long Host, int Length, bool IsVirgin) Place(long offset, ReadOnlySpan<byte> data)
    {
        var index = (int)(offset / header.BytesPerL2);
        var slot = (int)(offset % header.BytesPerL2 / clusterSize);
        var inside = (int)(offset & (clusterSize - 1));
        var table = tables.Find(index);
        if (table is not null && IsInPlace(table.Words[slot])) return InPlace(table, slot, inside, data.Length);
        table = changes.Writable(index, table);
        return inside == 0 && data.Length >= clusterSize ? PlaceWhole(table, slot, data.Length) : PlacePart(table, slot, offset, inside, data);
    }

    private (long Host, int Length, bool IsVirgin) InPlace(L2Table table, int slot, int inside, int length)
    {
        var host = L2Table.HostOf(table.Words[slot]) + inside;
        var covered = clusterSize - inside;
        for (var next = slot + 1; covered < length && next < table.Words.Length; next++)
        {
            if (!IsInPlace(table.Words[next]) || L2Table.HostOf(table.Words[next]) != host + covered) break;
            covered += clusterSize;
        }

        return (host, Math.Min(length, covered), false);
    }

    private (long Host, int Length, bool IsVirgin) PlaceWhole(L2Table table, int slot, int length)
    {
        var wanted = 1;
        while (wanted < length / clusterSize && slot + wanted < table.Words.Length && !IsInPlace(table.Words[slot + wanted])) wanted++;
        var (first, count, isVirgin) = changes.Allocate(wanted);
        var host = first << header.ClusterBits;
        for (var i = 0; i < count; i++) changes.Publish(table, slot + i, (ulong)(host + ((long)i * clusterSize)) | Qcow2Layout.Copied);
        return (host, count * clusterSize, isVirgin);
    }

    private (long Host, int Length, bool IsVirgin) PlacePart(L2Table table, int slot, long offset, int inside, ReadOnlySpan<byte> data)
    {
        var length = Math.Min(clusterSize - inside, data.Length);
        var old = table.Words[slot];
        var wasZero = (old & Qcow2Layout.CompressedFlag) == 0 && ((old & Qcow2Layout.ZeroFlag) != 0 || (old == 0 && !hasParent));
        var (first, _, isVirgin) = changes.Allocate(1);
        var host = first << header.ClusterBits;
        if (wasZero && isVirgin)
        {
            // Never beyond EndOfFile, so this cannot cut what another writer has written past it meanwhile.
            file.SetLength(EndOfFile);
            changes.Publish(table, slot, (ulong)host | Qcow2Layout.Copied);
            return (host + inside, length, false);
        }

        using var whole = PooledBuffer.Rent(clusterSize);
        var cluster = whole.Span;
        cluster.Clear();
        var start = offset - inside;
        if (!wasZero) readOld(start, cluster[..(int)Math.Min(clusterSize, header.DiskLength - start)]);
        data[..length].CopyTo(cluster[inside..]);
        file.Write(host, cluster);
        changes.Publish(table, slot, (ulong)host | Qcow2Layout.Copied);
        return (-1, length, false);
    }

    private void ZeroRuns(long offset, long length)
    {
        for (var end = offset + length; offset < end;)
        {
            var clusterEnd = Math.Min(Sectors.AlignDown(offset, clusterSize) + clusterSize, header.DiskLength);
            if (Sectors.IsAligned(offset, clusterSize) && end >= clusterEnd)
            {
                var next = Math.Min(end, (offset / header.BytesPerL2 + 1) * header.BytesPerL2);
                if (next != header.DiskLength) next = Sectors.AlignDown(next, clusterSize);
                ZeroWhole(offset, next);
                offset = next;
            }
            else
            {
                var next = Math.Min(end, clusterEnd);
                ZeroPart(offset, (int)(next - offset));
                offset = next;
            }
        }
    }

    /// <summary>Whole clusters of one L2 table; the last may be the disk's last and shorter.</summary>
    private void ZeroWhole(long offset, long end)
    {
        var index = (int)(offset / header.BytesPerL2);
        var entry = hasParent && header.Version >= 3 ? Qcow2Layout.ZeroFlag : 0;
        if (hasParent && entry == 0)
        {
            for (var at = offset; at < end; at += clusterSize) ZeroPart(at, (int)Math.Min(clusterSize, end - at));
            return;
        }

        lock (tablesLock)
        {
            var table = tables.Find(index);
            if (table is null && !hasParent) return;
            var first = (int)(offset % header.BytesPerL2 / clusterSize);
            var last = (int)((end - 1) % header.BytesPerL2 / clusterSize);
            L2Table? writable = null;
            for (var slot = first; slot <= last; slot++)
            {
                if (table is not null && (table.Words[slot] == entry || table.Words[slot] == Qcow2Layout.ZeroFlag)) continue;
                table = writable ??= changes.Writable(index, table);
                changes.Publish(table, slot, entry);
            }
        }
    }

    private void ZeroPart(long offset, int length)
    {
        using var zeros = PooledBuffer.Rent(length);
        zeros.Span.Clear();
        for (var end = offset + length; offset < end;)
        {
            ClusterRun run;
            lock (tablesLock) run = Find(offset, end - offset);
            var isZero = run.Kind == ClusterKind.Zero || (run.Kind == ClusterKind.Unallocated && !hasParent);
            if (!isZero) WriteRuns(offset, zeros.Span[..(int)run.Length]);
            offset = run.End;
        }
    }

    /// <summary>Held alone.</summary>
    private void WriteBack()
    {
        RequireSound();
        try
        {
            changes.WriteBack(isOrdered);
        }
        catch
        {
            hasFailed = true;
            throw;
        }
    }

    private static bool IsInPlace(ulong entry) =>
        (entry & (Qcow2Layout.Copied | Qcow2Layout.CompressedFlag | Qcow2Layout.ZeroFlag)) == Qcow2Layout.Copied && L2Table.HostOf(entry) != 0;
}
