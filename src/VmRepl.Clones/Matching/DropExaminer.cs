using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Clones.Drops;
using VmRepl.Images;
using VmRepl.Images.Opening;
using VmRepl.Protocol.Names;

namespace VmRepl.Clones.Matching;

/// <summary>
/// Finds out what a complete file in a drop directory is: no disk image, an image of nothing that is protected, or a clone, and of what. In this order: the file behind it is a protected disk's; else its contents are like those of a protected
/// disk, or of a clone that came before. Nothing in it is believed.
/// </summary>
/// <param name="disks">What is protected.</param>
/// <param name="bases">The files of it.</param>
/// <param name="earlier">Clones that are protected and still in a drop directory, newest last.</param>
public sealed class DropExaminer(IProtectedDisks disks, BaseFiles bases, IReadOnlyList<DroppedFile> earlier)
{
    // Lengths that differ by more are no copies of each other, grown or shrunk.
    private const int LengthFactorMax = 8;

    // Each is opened and up to 16 MiB of it read.
    private const int EarlierMax = 16;

    /// <summary>A live image's length.</summary>
    private const long LengthMax = 1L << 46;

    private const string NoImage = "no disk image: a raw one would have a partition table, or the length of a protected disk";

    private readonly IReadOnlyList<ProtectedDisk> all = disks.List();

    /// <returns>The file: waiting, quarantined, or to be copied.</returns>
    public DroppedFile Examine(DroppedFile file)
    {
        try
        {
            if (FileWriters.Has(file.Path) == true) return Wait(file, "open for writing");
            if (file.Version.Length == 0) return Quarantine(file, "it is empty");
            var files = new DropImageFiles(file, bases);
            // Most of what is no image ends here, for a few reads of its head.
            var (format, isAnything) = Probe(files, file.Path);
            if (isAnything && Sectors.AlignUp(file.Version.Length, Sectors.Size) is var length && !Candidates().Any(c => c.Length == length))
                return Quarantine(file with { Image = new DropImage(format, length, Sectors.Size, isAnything) }, NoImage, isUnmatched: true);
            using var image = DiskImages.Open(file.Path, new ImageOpenOptions { Format = format, Allow = bases.Directories, Files = files });
            var beside = image.Files.Skip(1).Where(f => !bases.Holds(f)).FirstOrDefault(f => FileWriters.Has(f.Path) == true);
            if (beside is not null) return Wait(file, $"{beside.Path} behind it is open for writing");
            return Examine(file with { Image = new DropImage(image.Format, image.Length, image.SectorSize, isAnything) }, image);
        }
        catch (Exception e) when (e is ImageFormatException or ReferenceRefusedException)
        {
            return Quarantine(file, $"no disk image that can be read: {e.Message}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Wait(file, $"it cannot be read: {e.Message}");
        }
    }

    private DroppedFile Examine(DroppedFile file, IDiskImage image)
    {
        if (image.Length is 0 or > LengthMax || image.Length % Sectors.Size != 0) return Quarantine(file, $"a disk of {image.Length} bytes cannot be kept: a multiple of {Sectors.Size}, up to 64 TiB, can");
        if (bases.Holds(image.Files[0])) return Quarantine(file, "no clone: it is a file of a protected disk itself");
        if (image.Files.Skip(1).Select(bases.DiskOf).FirstOrDefault(d => d is not null) is { } under) return Copy(file, image, new CloneBase(under.Group, under.Name, PointSeedName.Of(under.Group, under.Name), $"{under.Group}/{under.Name}, its backing file", file.Name));

        // Anything at all is a raw disk: without a partition table only one that is like a protected disk of just this length.
        var isAnything = file.Image!.IsAnything;
        var candidates = Candidates().Where(c => isAnything ? c.Length == image.Length : IsSameOrder(c.Length, image.Length)).ToList();
        if (candidates.Count == 0)
            return Quarantine(file, isAnything ? NoImage : "not a clone of anything protected: no protected disk has a length like its", isUnmatched: true);
        var samples = DiskSamples.Of(image);
        if (samples.Blocks == 0) return Quarantine(file, "it holds nothing but zeros", isUnmatched: true);
        var (equal, best) = Best(samples, candidates);
        if (equal * 4 < samples.Blocks || best is null) return Quarantine(file, $"not a clone of anything protected: {equal} of {samples.Blocks} sampled blocks are those of {best?.Base.How ?? "any"}, at least a quarter would have to be", isUnmatched: true);
        return Copy(file, image, best.Base with { Called = file.Name, How = $"{best.Base.How}, {equal} of {samples.Blocks} sampled blocks" });
    }

    /// <summary>To be copied; where it stands on files of others than its owner, what it holds is theirs too, and it may not go to one of them.</summary>
    private DroppedFile Copy(DroppedFile file, IDiskImage image, CloneBase found) =>
        image.Files.Skip(1).FirstOrDefault(f => bases.Holds(f) && !bases.IsOf(f, found.Owner)) is { } foreign
            ? Quarantine(file, $"it is a clone of {found.How}, and stands on {foreign.Path}, which is another group's")
            : file with { State = DropState.Copying, Base = found, Reason = null, IsUnmatched = false };

    private static (int Equal, Candidate? Best) Best(DiskSamples samples, IEnumerable<Candidate> candidates)
    {
        var (equal, best) = (0, (Candidate?)null);
        foreach (var candidate in candidates)
        {
            try
            {
                using var device = candidate.Open();
                // Of two alike the earlier in the list: a disk before a clone of it.
                if (samples.CountEqual(device) is var count && count > equal) (equal, best) = (count, candidate);
            }
            catch (Exception e) when (e is IOException or ImageFormatException or ReferenceRefusedException or UnauthorizedAccessException or ObjectDisposedException)
            {
                // One that cannot be read now is not compared with.
            }
        }

        return (equal, best);
    }

    private IEnumerable<Candidate> Candidates()
    {
        foreach (var disk in all) yield return new Candidate(new CloneBase(disk.Group, disk.Name, PointSeedName.Of(disk.Group, disk.Name), $"{disk.Group}/{disk.Name}", ""), disk.Length, () => disks.Open(disk));
        foreach (var clone in earlier.Where(c => all.Any(d => d.Group == c.Base!.Owner)).TakeLast(EarlierMax))
            yield return new Candidate(clone.Base! with { Seed = PointSeedName.Of(clone.CloneGroup, clone.Base.Disk), How = $"{clone.Base.Owner}/{clone.Base.Disk} as cloned before" }, clone.Image!.Length, () => Open(clone));
    }

    private IDiskImage Open(DroppedFile clone) => DiskImages.Open(clone.Path, new ImageOpenOptions { Format = clone.Image!.Format, Allow = bases.Directories, Files = new DropImageFiles(clone, bases) });

    private static bool IsSameOrder(long one, long other) => Math.Max(one, other) / LengthFactorMax <= Math.Min(one, other);

    private static (ImageFormat Format, bool IsAnything) Probe(DropImageFiles files, string path)
    {
        using var file = files.Open(path, HostFileAccess.Read);
        var format = DiskImages.Probe(file);
        return (format, format == ImageFormat.Raw && !HasPartitions(file));
    }

    /// <summary>A master boot record's signature, or a GUID partition table's where a disk has sectors of 512 or 4096 bytes.</summary>
    private static bool HasPartitions(IHostFile raw)
    {
        Span<byte> head = stackalloc byte[4096 + 8];
        head = head[..raw.Read(0, head)];
        return (head.Length >= Sectors.Size && head[510] == 0x55 && head[511] == 0xAA) || IsTable(head, 512) || IsTable(head, 4096);

        static bool IsTable(ReadOnlySpan<byte> head, int at) => head.Length >= at + 8 && head.Slice(at, 8).SequenceEqual("EFI PART"u8);
    }

    private static DroppedFile Wait(DroppedFile file, string reason) => file with { State = DropState.Waiting, Reason = reason };

    private static DroppedFile Quarantine(DroppedFile file, string reason, bool isUnmatched = false) => file with { State = DropState.Quarantined, Reason = reason, IsUnmatched = isUnmatched };

    private sealed record Candidate(CloneBase Base, long Length, Func<IBlockDevice> Open);
}
