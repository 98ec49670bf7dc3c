using VmRepl.Blocks.Files;
using VmRepl.Images;
using VmRepl.Images.Opening;
using VmRepl.Replication.Source.Tracking;

namespace VmRepl.Replication.Source.Following;

/// <summary>A disk that the agent holds open and follows, with what it records of it while it does.</summary>
internal sealed class ServedDisk : IDisposable
{
    private readonly IHostDirectory directory;
    private readonly IDiskImage image;
    private readonly DirtyRegionLog marks;
    private readonly TimeProvider time;

    // Of the files that are written. Known for longer than the image is open.
    private readonly IReadOnlyList<string> paths;
    private bool isClosed;

    private ServedDisk(IHostDirectory directory, SourceDisk disk, IDiskImage image, DirtyRegionLog marks, DiskTrust.Verdict trust, TimeProvider time)
    {
        (this.directory, this.image, this.marks, this.time, Trust) = (directory, image, marks, time, trust);
        paths = [.. image.Files.Where(f => !f.IsReadOnly).Select(f => f.Path)];
        Disk = new FollowedDisk(disk, image, marks, comparesFirst: trust.Way != DiskTrust.Way.Marks);
    }

    public FollowedDisk Disk { get; }

    /// <summary>How far what is marked was believed.</summary>
    public DiskTrust.Verdict Trust { get; }

    /// <exception cref="ReplicationException">The image cannot be opened, is in use, or is not the disk that was protected.</exception>
    public static ServedDisk Open(SourceGroupDefinition group, SourceDisk disk, IHostDirectory directory, TimeProvider time)
    {
        IDiskImage image;
        try
        {
            // Looked at before it is opened for writing: the locks of others are seen either way, and nothing of theirs is touched.
            FrozenDisk.Open(group.Name, disk, group.Allow).Dispose();
            image = DiskImages.Open(disk.File, new ImageOpenOptions { Format = disk.Format, Allow = group.Allow, Writable = true });
        }
        catch (Exception e) when (e is ImageFormatException or IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new ReplicationException(group.Name, $"group {group.Name}: disk {disk.Name} cannot be opened for writing: {e.Message}", "A served disk is written by the agent; look at the image and its permissions.", cause: e);
        }

        try
        {
            if (image.IsReadOnly) throw new ReplicationException(group.Name, $"group {group.Name}: disk {disk.Name} ({disk.File}) cannot be written", "Convert it to a format that can: vmrepl image convert.", isRefusal: true);
            var marks = DirtyRegionLog.Open(directory, disk.Name, disk.Length, new DirtyLogOptions { BootId = HostBoot.Id(), Time = time });
            try
            {
                var known = SourceJson.TryRead<HeldFiles>(directory, HeldName(disk));
                var trust = DiskTrust.Judge(marks.OpenedAfter, known, [.. image.Files.Where(f => !f.IsReadOnly).Select(f => f.Identity)], marks.LastBegun, HostBoot.Time(time));
                if (trust.Way == DiskTrust.Way.Everything) marks.MarkAll();
                var served = new ServedDisk(directory, disk, image, marks, trust, time);
                served.Record(isLetGo: false);
                return served;
            }
            catch
            {
                marks.Dispose();
                throw;
            }
        }
        catch
        {
            image.Dispose();
            throw;
        }
    }

    /// <summary>Lets the disk go: everything is in its file, and what it looks like now is recorded.</summary>
    /// <exception cref="IOException">It could not be flushed or recorded; the next opening compares by digests.</exception>
    public void LetGo()
    {
        image.Flush();
        Close();
        Record(isLetGo: true);
        if (!marks.CloseClean()) throw new IOException($"the record of changes of {Disk.Disk.Name} cannot be written: {marks.Failure?.Message}");
    }

    public void Dispose()
    {
        Close();
        marks.Dispose();
    }

    /// <summary>Once: an image writes when it is closed.</summary>
    private void Close()
    {
        if (isClosed) return;
        isClosed = true;
        image.Dispose();
    }

    private static string HeldName(SourceDisk disk) => $"{disk.Name}.held.json";

    private void Record(bool isLetGo)
    {
        var files = paths.Select(FrozenDisk.IdentityNow).ToList();
        SourceJson.Write(directory, HeldName(Disk.Disk), new HeldFiles { Files = files, IsLetGo = isLetGo, Taken = time.GetUtcNow() });
    }
}
