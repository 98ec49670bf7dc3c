using VmRepl.Blocks.Files;
using VmRepl.Images;
using VmRepl.Images.Opening;

namespace VmRepl.Replication.Source;

/// <summary>
/// A source disk for the length of one round. Nobody promised that it stands still, so that is looked at: before the round that no QEMU has it open for writing,
/// after the round that every file of its chain is the same file, of the same size, not changed since (ctime, which no program can set back).
/// </summary>
internal sealed class FrozenDisk : IDisposable
{
    // QEMU marks what it may do with an image by locks on these bytes (block/file-posix.c: RAW_LOCK_PERM_BASE 100 + the permission's bit).
    private const long WriteLockByte = 101, ResizeLockByte = 103;

    private readonly string group;
    private readonly List<FileIdentity> identities;

    private FrozenDisk(string group, SourceDisk disk, IDiskImage image)
    {
        this.group = group;
        Disk = disk;
        Image = image;
        identities = [.. image.Files.Select(f => f.Identity)];
    }

    public SourceDisk Disk { get; }

    public IDiskImage Image { get; }

    /// <param name="files">Where the image's files come from; null for the host's.</param>
    /// <exception cref="ReplicationException">The image cannot be opened, is in use, or is not the disk that was protected.</exception>
    public static FrozenDisk Open(string group, SourceDisk disk, IReadOnlyList<string> allow, IImageFiles? files = null)
    {
        IDiskImage image;
        try
        {
            image = DiskImages.Open(disk.File, new ImageOpenOptions { Format = disk.Format, Allow = allow, Files = files ?? HostImageFiles.Instance });
        }
        catch (Exception e) when (e is ImageFormatException or IOException or UnauthorizedAccessException)
        {
            throw new ReplicationException(group, $"group {group}: disk {disk.Name} cannot be read: {e.Message}", "Repair or put back the image, then sync again; earlier points are kept.", cause: e);
        }
        catch (ReferenceRefusedException e)
        {
            throw new ReplicationException(group, $"group {group}: disk {disk.Name}: {e.Message}", "Name the directory with --allow when protecting.", isRefusal: true, cause: e);
        }

        var frozen = new FrozenDisk(group, disk, image);
        try
        {
            frozen.VerifyNotInUse();
            if (image.Length != disk.Length)
                throw new ReplicationException(group, $"group {group}: disk {disk.Name} is {image.Length} bytes now and was {disk.Length} when it was protected",
                    "Bring it back to that size, or protect the VM under another group name; earlier points are kept.");
            return frozen;
        }
        catch
        {
            frozen.Dispose();
            throw;
        }
    }

    /// <summary>Whether some process may write the file, by QEMU's locks.</summary>
    public static bool IsOpenForWriting(IHostFile file) => file.IsLockedByOther(WriteLockByte) || file.IsLockedByOther(ResizeLockByte);

    /// <summary>What the file of that name is now.</summary>
    /// <exception cref="IOException">It cannot be opened.</exception>
    public static FileIdentity IdentityNow(string path)
    {
        using var file = HostFile.Open(path, HostFileAccess.Read);
        return file.Identity;
    }

    /// <exception cref="ReplicationException">Something changed since the round began: what was read may be of no one moment.</exception>
    public void VerifyUnchanged()
    {
        VerifyNotInUse();
        for (var i = 0; i < identities.Count; i++)
        {
            var path = Image.Files[i].Path;
            FileIdentity now;
            try
            {
                // By its name, not by the open file: a file put in its place would go unseen otherwise.
                now = IdentityNow(path);
            }
            catch (IOException e)
            {
                throw Changed(path, e.Message);
            }

            if (now != identities[i]) throw Changed(path, now.IsSameFile(identities[i]) ? "it was written to" : "another file took its place");
        }
    }

    public void Dispose() => Image.Dispose();

    private void VerifyNotInUse()
    {
        if (Image.Files.FirstOrDefault(IsOpenForWriting) is { } open)
            throw new ReplicationException(group, $"group {group}: disk {Disk.Name} is in use: {open.Path} is open for writing in another process", "Shut the VM down, or freeze it, then sync again.", isRefusal: true);
    }

    private ReplicationException Changed(string path, string how) => new(group,
        $"group {group}: disk {Disk.Name} changed during the round ({path}: {how}), so the round makes no recovery point", "Sync again while nothing writes the disk; earlier points are kept.");
}
