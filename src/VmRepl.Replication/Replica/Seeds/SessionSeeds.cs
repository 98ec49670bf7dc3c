using Microsoft.Extensions.Logging;
using VmRepl.Images;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Messages;
using VmRepl.Protocol.Names;
using VmRepl.Protocol.Records;

namespace VmRepl.Replication.Replica.Seeds;

/// <summary>The seeds that one session's opening named: what is refused of them, and the filling of live images from them. A disk is filled once in a session.</summary>
/// <param name="directories">Null where this replica takes no files.</param>
internal sealed class SessionSeeds(SeedDirectories? directories, StoredPointSeeds points, IReadOnlyList<DeclaredSeed> declared, FramedConnection connection, TimeProvider time, ILogger log)
{
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromMilliseconds(500);

    private readonly SeedDirectories directories = directories ?? new SeedDirectories([]);
    private readonly HashSet<uint> asked = [];

    /// <summary>Opens every seed, and closes it again: the reason why one cannot be used, or null.</summary>
    public Refusal? Examine(OpenGroup open)
    {
        foreach (var seed in declared)
        {
            if (open.Disks.FirstOrDefault(d => d.Id == seed.Disk) is not { } disk) return new Refusal(RefusalCode.Protocol, $"group {open.Group}: a seed is for disk {seed.Disk}, which the group has not", "");
            try
            {
                Open(seed).Dispose();
            }
            catch (SeedRefusedException e)
            {
                return new Refusal(RefusalCode.SeedRefused, Told($"group {open.Group}: the seed of disk {disk.Name}, {seed.File}, is not taken: {e.Message}"), e.Hint);
            }
        }

        return null;
    }

    /// <summary>Whether this disk has a seed and was not asked for before.</summary>
    public bool TryTake(SeedDisk ask) => declared.Any(s => s.Disk == ask.Disk) && asked.Add(ask.Disk);

    /// <summary>Fills one live image and answers. A seed that fails on the way is used as far as it went.</summary>
    /// <exception cref="ArgumentException">The group is past its baseline.</exception>
    /// <exception cref="IOException">The live image cannot be written, or the connection is gone.</exception>
    public async Task RunAsync(SeedDisk ask, GroupStore group, RoomWait room, CancellationToken cancellation)
    {
        var seed = declared.First(s => s.Disk == ask.Disk);
        var (name, disk) = (group.Description.Name, group.Live[ask.Disk]);
        if (group.Phase != GroupPhase.Baseline) throw new ArgumentException($"group {name} has recovery points: a seed is for its baseline only");
        OpenedSeed opened;
        try
        {
            opened = Open(seed);
        }
        catch (SeedRefusedException e)
        {
            // It could be opened when the group was made: the baseline goes on without it.
            SessionLog.SeedUnused(log, name, seed.File, e.Message);
            await connection.SendAsync(new DiskSeeded(ask.Id, 0, 0, seed.Format, Told(e.Message)), cancellation);
            return;
        }

        using (opened)
        {
            var copy = new SeedCopy(opened.Device, ask.Disk, disk.Length);
            SessionLog.Seeding(log, name, seed.File, opened.Device.Length, ask.Disk);
            var told = time.GetTimestamp();
            foreach (var records in copy.Regions())
            {
                cancellation.ThrowIfCancellationRequested();
                if (records.Count > 0) await room.RunAsync(() => group.ApplyBaseline(records), cancellation);
                if (time.GetElapsedTime(told) < ProgressInterval) continue;
                told = time.GetTimestamp();
                await connection.SendAsync(new SeedProgress(ask.Id, copy.TotalBytes, copy.DoneBytes), cancellation);
            }

            // The source notes the disk as seeded, for good.
            disk.Flush();
            SessionLog.Seeded(log, name, seed.File, ask.Disk, copy.CopiedBytes, copy.Problem ?? "to its end");
            await connection.SendAsync(new DiskSeeded(ask.Id, opened.Device.Length, copy.CopiedBytes, opened.Format, Told(copy.Problem ?? "")), cancellation);
        }
    }

    /// <exception cref="SeedRefusedException">It is not taken.</exception>
    private OpenedSeed Open(DeclaredSeed seed)
    {
        if (PointSeedName.Means(seed.File)) return points.Open(seed);
        var image = directories.Open(seed);
        return new OpenedSeed(image, ImageFormatNames.Name(image.Format), image);
    }

    // A text that travels has a bound in bytes, and no half of a character at its end.
    private static string Told(string text) => text.Length <= 1000 ? text : string.Concat(text.EnumerateRunes().Take(1000));
}
