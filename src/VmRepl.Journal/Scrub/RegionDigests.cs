using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Journal.Scrub;

/// <summary>
/// Which digests of one live image's regions may be believed.
/// <para>A digest is believed only while nothing wrote its region since. In memory it is forgotten before each write. In the file it is forgotten when the live image is flushed:
/// the two are durable together. So a crash may leave a digest in the file of a region that was written since the last flush, and just those regions are written again by whoever opens the
/// live image for writing (the journal redoes everything since its last checkpoint, and a checkpoint follows a flush), which forgets them, and clears them whether it found them or not;
/// whoever opens it for reading says them with <see cref="Forget"/>. A file that cannot be used is removed, durably, before anything is written.</para>
/// <para>Before the end of a baseline there are no digests: what it writes is not redone.</para>
/// Safe for concurrent use.
/// </summary>
internal sealed class RegionDigests : IDisposable
{
    /// <summary>Entries that are looked at at once: 128 KiB of the file, 4 GiB of disk.</summary>
    private const int ChunkRegions = 4096;

    private readonly IHostDirectory directory;
    private readonly string name;
    private readonly long diskBytes;
    private readonly bool isReadOnly;

    private readonly Lock gate = new();
    private readonly List<Extent> writing = [];
    private readonly List<RegionWatch> watches = [];

    // For each chunk looked at so far: which regions have an entry in the file that may be believed, or, where the chunk could not be read, may have one.
    private readonly Dictionary<long, System.Collections.BitArray> present = [];

    // Regions that have an entry in the file, or may have, and were written since.
    private readonly SortedSet<long> stale = [];

    private RegionDigestFile? file;
    private bool isUnflushed;

    // Before the first flush an entry that reads as none may be one on the disk: whoever cleared it was killed before that was flushed.
    private bool wasFlushed;

    /// <param name="areKept">Whether whoever wrote the live image kept its digests; where not, those that are there are removed, or passed over by a reader.</param>
    /// <exception cref="IOException">What is not to be believed could not be removed.</exception>
    public RegionDigests(IHostDirectory directory, string disk, long diskBytes, bool isReadOnly, bool areKept)
    {
        this.directory = directory;
        this.diskBytes = diskBytes;
        this.isReadOnly = isReadOnly;
        name = RegionDigestFile.NameOf(disk);
        if (!areKept)
        {
            if (!isReadOnly) Remove();
            return;
        }

        file = RegionDigestFile.TryOpen(directory, name, diskBytes, isReadOnly ? HostFileAccess.Read : HostFileAccess.ReadWrite, out var fault);
        Fault = fault;
        // What is not known of cannot be forgotten: the next opening may be able to read it, and would believe it of regions that this one writes (simulation, seed 20286).
        if (fault is not null && !isReadOnly) Remove();
    }

    /// <summary>Why the file that was found could not be used, or null. Whoever writes has removed it.</summary>
    public string? Fault { get; private set; }

    public long Regions => RegionDigestFile.RegionsOf(diskBytes);

    public string Path => System.IO.Path.Combine(directory.Path, name);

    public Extent ExtentOf(long region) => Extent.FromEnds(region * RegionDigest.RegionBytes, Math.Min((region + 1) * RegionDigest.RegionBytes, diskBytes));

    /// <summary>Before a write: what is known of its regions is forgotten, and whoever reads one learns of it.</summary>
    public void BeginWrite(Extent extent)
    {
        lock (gate)
        {
            writing.Add(extent);
            foreach (var watch in watches) watch.IsDisturbed |= watch.Extent.Overlaps(extent);
            ForgetRegions(extent);
        }
    }

    public void EndWrite(Extent extent)
    {
        lock (gate) writing.Remove(extent);
    }

    /// <summary>Forgets what is known of the regions of a range.</summary>
    public void Forget(Extent extent)
    {
        lock (gate) ForgetRegions(extent);
    }

    /// <summary>Begins to look at a region.</summary>
    public RegionWatch Watch(long region)
    {
        var extent = ExtentOf(region);
        lock (gate)
        {
            var watch = new RegionWatch(region, extent) { IsDisturbed = writing.Exists(w => w.Overlaps(extent)) };
            watches.Add(watch);
            return watch;
        }
    }

    public void Release(RegionWatch watch)
    {
        lock (gate) watches.Remove(watch);
    }

    /// <summary>The digest to be believed of the watched region; <paramref name="isDamaged"/> where there is an entry that does not verify.</summary>
    public RegionDigest? Find(RegionWatch watch, out bool isDamaged)
    {
        isDamaged = false;
        lock (gate)
        {
            if (file is null || !Chunk(watch.Region)[(int)(watch.Region % ChunkRegions)]) return null;
            Span<byte> entry = stackalloc byte[RegionDigest.EntryBytes];
            file.Read(watch.Region, entry);
            // Where the entries could not be read at first, each counts as one that may be there (simulation, seed 23310).
            if (Sectors.IsZero(entry)) return null;
            isDamaged = !RegionDigest.TryRead(entry, watch.Region, out var digest);
            return isDamaged ? null : digest;
        }
    }

    /// <summary>Whether nothing wrote the region since the watch began.</summary>
    public bool IsUndisturbed(RegionWatch watch)
    {
        lock (gate) return !watch.IsDisturbed;
    }

    /// <summary>Keeps the digest of what was read under the watch. False, with nothing kept, where the region was written meanwhile.</summary>
    public bool TryKeep(RegionWatch watch, RegionDigest digest)
    {
        lock (gate)
        {
            if (watch.IsDisturbed || isReadOnly) return false;
            file ??= RegionDigestFile.Create(directory, name, diskBytes);
            Fault = null;
            var chunk = Chunk(watch.Region);
            // Until the write has ended well nobody knows what the entry is.
            stale.Add(watch.Region);
            chunk[(int)(watch.Region % ChunkRegions)] = false;
            file.Write(watch.Region, digest);
            chunk[(int)(watch.Region % ChunkRegions)] = true;
            stale.Remove(watch.Region);
            isUnflushed = true;
            return true;
        }
    }

    /// <summary>On return no entry in the file is of a region that was written before the call. A file of which that cannot be made true is removed.</summary>
    /// <exception cref="IOException">It could not even be removed.</exception>
    public void Flush()
    {
        lock (gate)
        {
            if (file is null || isReadOnly || (stale.Count == 0 && !isUnflushed)) return;
            try
            {
                foreach (var region in stale) file.Clear(region);
                file.Flush();
                stale.Clear();
                isUnflushed = false;
                wasFlushed = true;
            }
            catch (IOException)
            {
                // A full volume, for one: the digests go, and what they are about goes on.
                RemoveFile();
            }
        }
    }

    /// <summary>Forgets everything, durably.</summary>
    public void Remove()
    {
        lock (gate)
        {
            if (directory.FileExists(name)) RemoveFile();
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            file?.Dispose();
            file = null;
        }
    }

    private void RemoveFile()
    {
        file?.Dispose();
        file = null;
        present.Clear();
        stale.Clear();
        isUnflushed = false;
        directory.Delete(name);
        directory.Flush();
    }

    private void ForgetRegions(Extent extent)
    {
        if (file is null || extent.IsEmpty) return;
#if SIMULATION_PLANTS
        if (VmRepl.Simulation.Plant.Is(VmRepl.Simulation.Plant.TrustStaleDigest)) return;
#endif
        for (long region = extent.Offset / RegionDigest.RegionBytes, last = (extent.End - 1) / RegionDigest.RegionBytes; region <= last; region++)
        {
            var chunk = Chunk(region);
            var i = (int)(region % ChunkRegions);
            if (!chunk[i] && wasFlushed) continue;
            chunk[i] = false;
            stale.Add(region);
        }
    }

    private System.Collections.BitArray Chunk(long region)
    {
        var number = region / ChunkRegions;
        if (present.TryGetValue(number, out var bits)) return bits;
        bits = new System.Collections.BitArray(ChunkRegions);
        try
        {
            var entries = new byte[ChunkRegions * RegionDigest.EntryBytes];
            file!.Read(number * ChunkRegions, entries);
            for (var i = 0; i < ChunkRegions; i++) bits[i] = !Sectors.IsZero(entries.AsSpan(i * RegionDigest.EntryBytes, RegionDigest.EntryBytes));
        }
        catch (IOException)
        {
            // A write must not fail for it: whatever cannot be read may be an entry, and is cleared if its region is written.
            bits.SetAll(true);
        }

        present.Add(number, bits);
        return bits;
    }
}
