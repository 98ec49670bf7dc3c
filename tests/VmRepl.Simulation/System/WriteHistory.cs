using VmRepl.Blocks;

namespace VmRepl.Simulation.System;

/// <summary>
/// The oracle: every version that every sector of the source's disks ever had, in order, and which write made it. A write counts from the moment before it is carried out; what a crash made of a disk is a version as any
/// other. Contents are kept as 64-bit digests.
/// </summary>
internal sealed class WriteHistory
{
    private readonly List<ulong>[][] versions;
    private readonly List<GuestWrite> writes = [];
    private long moment;

    /// <param name="sectorCounts">Of each disk; all zeros in the beginning.</param>
    public WriteHistory(IReadOnlyList<int> sectorCounts) => versions = [.. sectorCounts.Select(n => Enumerable.Range(0, n).Select(_ => new List<ulong> { ZeroDigest }).ToArray())];

    public static ulong ZeroDigest { get; } = Digest(new byte[Sectors.Size]);

    public IReadOnlyList<GuestWrite> Writes => writes;

    public int DiskCount => versions.Length;

    /// <summary>A moment later than all before.</summary>
    public long Now() => ++moment;

    public GuestWrite Issue(GuestWrite.Asked asked)
    {
        var first = (int)(asked.Extent.Offset / Sectors.Size);
        var count = (int)(Sectors.AlignUp(asked.Extent.End, Sectors.Size) / Sectors.Size) - first;
        var write = new GuestWrite(Now(), asked) { FirstSector = first, SectorCount = count };
        writes.Add(write);
        return write;
    }

    /// <summary>The source is dead, and nothing was found on its disks yet: what it was about to do is not done any more.</summary>
    public void EndLife()
    {
        foreach (var write in writes)
        {
            if (write.IsCutShort) write.KnownAtDeath ??= [.. versions[write.Disk].AsSpan(write.FirstSector, write.SectorCount).ToArray().Select(v => v.Count)];
        }
    }

    /// <summary>A disk is about to change.</summary>
    /// <param name="contents">Empty for zeros.</param>
    public void Change(int disk, Extent extent, ReadOnlySpan<byte> contents, GuestWrite? write)
    {
        for (var (sector, at) = ((int)(extent.Offset / Sectors.Size), 0); sector < extent.End / Sectors.Size; sector++, at += Sectors.Size)
        {
            var known = versions[disk][sector];
            known.Add(contents.IsEmpty ? ZeroDigest : Digest(contents.Slice(at, Sectors.Size)));
            write?.Sectors.Add((disk, sector, known.Count - 1));
        }
    }

    /// <summary>What a crash left of a disk. Nothing may be there that was never written, but for a sector of a write that was under way.</summary>
    public void Found(int disk, ReadOnlySpan<byte> contents)
    {
        for (var sector = 0; sector < versions[disk].Length; sector++)
        {
            var digest = Digest(contents.Slice(sector * Sectors.Size, Sectors.Size));
            if (versions[disk][sector][^1] != digest) versions[disk][sector].Add(digest);
        }
    }

    /// <summary>
    /// Whether contents of all disks are a moment of the group: every sector holds a version that was there, and where a write is in them, so is, whole, every write that had been answered before it was issued. One that was not answered by then may be
    /// there in part, as after a loss of power.
    /// </summary>
    /// <param name="include">Writes answered before this moment have to be in them; 0 for none.</param>
    /// <param name="exclude">Writes issued after this moment must not be; <see cref="long.MaxValue"/> for none.</param>
    /// <returns>What is wrong, or null.</returns>
    public string? FindFault(IReadOnlyList<byte[]> disks, long include = 0, long exclude = long.MaxValue, bool includesPromised = false)
    {
        var least = new int[disks.Count][];
        var most = new int[disks.Count][];
        var newest = 0L;
        // What was issued and never reached the source's disk, or only in part (a zero is carried out in pieces): few. Its range was held from its place in the order to the source's death, so where it is there, it is
        // behind all that its sectors held before that, and nothing came behind it.
        var ahead = writes.FindAll(w => w.IsCutShort);
        for (var disk = 0; disk < disks.Count; disk++)
        {
            (least[disk], most[disk]) = (new int[versions[disk].Length], new int[versions[disk].Length]);
            for (var sector = 0; sector < versions[disk].Length; sector++)
            {
                var digest = Digest(disks[disk].AsSpan(sector * Sectors.Size, Sectors.Size));
                least[disk][sector] = versions[disk][sector].IndexOf(digest);
                most[disk][sector] = versions[disk][sector].LastIndexOf(digest);
                foreach (var cut in ahead)
                {
                    if (!cut.MayBeAhead(disk, sector, digest)) continue;
                    var before = (cut.KnownAtDeath?[sector - cut.FirstSector] ?? versions[disk][sector].Count) - 1;
                    most[disk][sector] = Math.Max(most[disk][sector], before);
                    if (least[disk][sector] < 0)
                    {
                        least[disk][sector] = before;
                        newest = Math.Max(newest, cut.IssuedAt);
                        if (cut.IssuedAt > exclude) return $"a write issued at {cut.IssuedAt} is there, of after {exclude}, and it never came to the source's disk";
                    }
                }

                if (least[disk][sector] < 0) return $"disk {disk}, sector {sector}: what is there was never written";
            }
        }

        foreach (var write in writes)
        {
            if (!write.Sectors.Exists(s => least[s.Disk][s.Sector] >= s.Version)) continue;
            newest = Math.Max(newest, write.IssuedAt);
            if (write.IssuedAt > exclude && write.Sectors.Exists(s => least[s.Disk][s.Sector] == s.Version)) return $"a write issued at {write.IssuedAt} is there, of after {exclude}: {Describe(write)}";
        }

        foreach (var write in writes)
        {
            if (write.AnsweredAt >= newest && write.AnsweredAt >= include && !(includesPromised && write.IsPromised)) continue;
            if (write.Sectors.FindIndex(s => most[s.Disk][s.Sector] < s.Version) is var missing and >= 0)
            {
                var why = write.AnsweredAt < newest ? $"one issued at {newest} is" : write.AnsweredAt < include ? $"everything before {include} has to be" : "it was promised";
                return $"a write answered at {write.AnsweredAt} is not there (disk {write.Sectors[missing].Disk}, sector {write.Sectors[missing].Sector}) and {why}: {Describe(write)}";
            }
        }

        return null;
    }

    /// <summary>A replica that lost what it had is not held to what was promised by it.</summary>
    public void ForgetPromises() => writes.ForEach(w => w.IsPromised = false);

    private static string Describe(GuestWrite write) => $"issued {write.IssuedAt}, answered {(write.AnsweredAt == long.MaxValue ? "never" : write.AnsweredAt)}, {write.Sectors.Count} sectors from disk {write.Sectors[0].Disk}, sector {write.Sectors[0].Sector}";

    /// <summary>Of whole sectors.</summary>
    public static ulong Digest(ReadOnlySpan<byte> contents)
    {
        // Four at a time: one multiplication would wait for the one before.
        var words = global::System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ulong>(contents);
        var (a, b, c, d) = (0x9E3779B97F4A7C15UL, 0xC2B2AE3D27D4EB4FUL, 0x165667B19E3779F9UL, 0x85EBCA77C2B2AE63UL);
        for (var i = 0; i + 4 <= words.Length; i += 4)
        {
            a = Mix(a, words[i]);
            b = Mix(b, words[i + 1]);
            c = Mix(c, words[i + 2]);
            d = Mix(d, words[i + 3]);
        }

        return Mix(Mix(Mix(a, b), c), d);
    }

    private static ulong Mix(ulong digest, ulong word)
    {
        digest = (digest ^ word) * 0xBF58476D1CE4E5B9;
        return digest ^ (digest >> 29);
    }
}
