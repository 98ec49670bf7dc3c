using System.Text.Encodings.Web;
using System.Text.Json;
using VmRepl.Blocks;
using VmRepl.Images;
using VmRepl.Images.Opening;
using VmRepl.Images.Operations;
using VmRepl.Journal;
using VmRepl.Journal.Store;
using VmRepl.Replication.Reading;
using VmRepl.Replication.Source;

namespace VmRepl.Replication.Restore;

/// <summary>
/// Writes a whole VM out as of one point: one image file for each disk, the definition, and <c>metadata.json</c>. Nothing that exists is overwritten;
/// what was begun is removed again when it cannot be finished. The proof is a digest of each file as read back, and that it is equal to the view byte for byte.
/// </summary>
public sealed class VmRestore(string group, IPastView view, string directory, ImageFormat? format)
{
    private const string DefinitionName = "definition";
    private const string MetadataName = "metadata.json";

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>What would be done; reads a part of the contents to measure the rate, writes nothing.</summary>
    public RestorePlan Plan(TimeProvider time)
    {
        var disks = view.Disks.Select(d =>
        {
            var device = view.Open(d);
            return new RestorePlan.Disk(d.Name, FileOf(d), FormatOf(d), d.Length, DataBytes(device));
        }).ToList();
        return new RestorePlan(view.Point, disks, FreeBytes(), MeasureRate(time));
    }

    /// <summary>Restores every disk.</summary>
    /// <param name="progress">Given a disk's name and size, where to report the bytes of it that are done.</param>
    /// <param name="time">Says how long the writing takes.</param>
    /// <exception cref="ReplicationException">The target exists or has no room.</exception>
    public IReadOnlyList<RestoredDiskFile> Run(Func<string, long, IProgress<long>?> progress, TimeProvider time, CancellationToken cancellation)
    {
        var madeDirectory = PrepareDirectory();
        var made = new List<string>();
        try
        {
            var restored = new List<RestoredDiskFile>();
            foreach (var disk in view.Disks)
            {
                try
                {
                    restored.Add(RestoreDisk(disk, made, progress(disk.Name, disk.Length), time, cancellation));
                }
                catch (JournalDamagedException e)
                {
                    throw new ReplicationException(group, $"group {group}: the store is damaged, disk {disk.Name} cannot be had as of sequence {view.Point.Sequence}: {e.Message}",
                        "Other points may be whole: vmrepl points lists them; look at the volume that the store lies on.", cause: e);
                }
            }
            if (view.Metadata.TryGetValue(IPastView.DefinitionKey, out var definition)) Write(DefinitionName, definition, made);
            Write(MetadataName, JsonSerializer.SerializeToUtf8Bytes(Describe(restored), Json), made);
            new Blocks.Files.HostDirectory(directory).Flush();
            return restored;
        }
        catch
        {
            RemoveBegun(made, madeDirectory);
            throw;
        }
    }

    private RestoredDiskFile RestoreDisk(DiskDescription disk, List<string> made, IProgress<long>? progress, TimeProvider time, CancellationToken cancellation)
    {
        var path = FileOf(disk);
        var source = view.Open(disk);
        var started = time.GetTimestamp();
        var target = Create(path, disk, made);
        IDiskImage? open = target;
        var writing = TimeSpan.Zero;
        // SHA-256 takes longer than all the rest: it follows the writing, and does not hold it back.
        var hashing = new FollowingDigest(target, cancellation);
        try
        {
            ImageConverter.Convert(source, target, new ConvertOptions { Flush = true, Progress = progress, Digest = hashing }, cancellation);

            // Read back through the format's reader, which knows nothing of what was meant to be written: every byte is compared with the point's. The digest is of the file too.
            var written = hashing.GoOnWith(() =>
            {
                open = null;
                target.Dispose();
                writing = time.GetElapsedTime(started);
                return open = DiskImages.Open(path, new ImageOpenOptions { Format = FormatOf(disk) });
            });
            if (written.Length != source.Length || !ImageComparer.Compare(source, written, null, cancellation).Equal)
                throw new ReplicationException(group, $"group {group}: disk {disk.Name} reads differently from {path} than from the store", "The target volume or its memory is faulty; restore elsewhere.");
            return new RestoredDiskFile(disk.Name, path, FormatOf(disk), disk.Length, Convert.ToHexStringLower(hashing.Complete()), writing);
        }
        finally
        {
            // First: it may not be closed under it.
            hashing.Dispose();
            open?.Dispose();
        }
    }

    private IDiskImage Create(string path, DiskDescription disk, List<string> made)
    {
        const int existsOnUnix = 17, existsOnWindows = unchecked((int)0x80070050);
        try
        {
            // Noted before: an image that cannot be made whole leaves its beginning.
            made.Add(path);
            return DiskImages.Create(path, FormatOf(disk), disk.Length, new ImageCreateOptions { SectorSize = disk.SectorSize });
        }
        catch (IOException e) when (e.HResult is existsOnUnix or existsOnWindows)
        {
            // Somebody else's, and so not ours to remove.
            made.Remove(path);
            throw Exists(path);
        }
    }

    /// <summary>Removes what was begun. What cannot be removed stays: the failure that led here is what has to be told.</summary>
    private void RemoveBegun(List<string> made, bool madeDirectory)
    {
        try
        {
            foreach (var file in made) File.Delete(file);
            if (madeDirectory) Directory.Delete(directory);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
        }
    }

    private bool PrepareDirectory()
    {
        if (File.Exists(directory) || (Directory.Exists(directory) && Directory.EnumerateFileSystemEntries(directory).Any())) throw Exists(directory);
        var needed = view.Disks.Sum(d =>
        {
            var device = view.Open(d);
            return DataBytes(device);
        });
        if (FreeBytes() is var free && free < needed)
            throw new ReplicationException(group, $"group {group}: restoring to {directory} takes {needed} bytes and {free} are free there", "Free space, or restore to another volume.");
        if (Directory.Exists(directory)) return false;
        Directory.CreateDirectory(directory);
        return true;
    }

    private ReplicationException Exists(string path) => new(group, $"group {group}: {path} exists already and nothing is overwritten", "Give --to a directory that does not exist yet.", isRefusal: true);

    private void Write(string name, byte[] contents, List<string> made)
    {
        var path = Path.Combine(directory, name);
        using var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write);
        made.Add(path);
        file.Write(contents);
        file.Flush(flushToDisk: true);
    }

    private object Describe(List<RestoredDiskFile> disks) => new
    {
        Group = group,
        view.Point.Sequence,
        Time = view.Point.Time.UtcDateTime,
        view.Point.Bookmark,
        view.Point.Consistency,
        Disks = disks.Select(d => new { d.Name, File = Path.GetFileName(d.File), Format = d.Format.Name(), Size = d.Length, d.Sha256 }),
        Metadata = view.Metadata.Where(m => m.Key != IPastView.DefinitionKey).ToDictionary(m => m.Key, m => System.Text.Encoding.UTF8.GetString(m.Value)),
    };

    private string FileOf(DiskDescription disk) => Path.Combine(directory, $"{disk.Name}.{FormatOf(disk).Name()}");

    private ImageFormat FormatOf(DiskDescription disk) => format ?? (ImageFormatNames.TryParse(disk.Format, out var own) ? own : ImageFormat.Raw);

    private static long DataBytes(IBlockDevice device) => device.Map(0, device.Length).Where(r => r.HasData).Sum(r => r.Length);

    private long FreeBytes()
    {
        var at = Path.GetFullPath(directory);
        while (!Directory.Exists(at)) at = Path.GetDirectoryName(at)!;
        return new DriveInfo(at).AvailableFreeSpace;
    }

    private double MeasureRate(TimeProvider time)
    {
        const int pieceBytes = 1 << 20;
        var limit = TimeSpan.FromMilliseconds(500);
        var started = time.GetTimestamp();
        long bytes = 0;
        var buffer = new byte[pieceBytes];
        foreach (var disk in view.Disks)
        {
            var device = view.Open(disk);
            foreach (var run in device.Map(0, disk.Length).Where(r => r.HasData))
            {
                for (var at = run.Offset; at < run.End && time.GetElapsedTime(started) < limit; at += pieceBytes)
                {
                    var piece = buffer.AsSpan(0, (int)Math.Min(pieceBytes, run.End - at));
                    device.Read(at, piece);
                    bytes += piece.Length;
                }
            }
        }

        var elapsed = time.GetElapsedTime(started).TotalSeconds;
        return bytes > 0 && elapsed > 0 ? bytes / elapsed : 0;
    }
}
