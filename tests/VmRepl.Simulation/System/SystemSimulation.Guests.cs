using VmRepl.Blocks;
using VmRepl.Protocol.Records;
using VmRepl.Replication.Source;
using VmRepl.Replication.Source.Following;
using VmRepl.Simulation.Storage;

namespace VmRepl.Simulation.System;

/// <content>The guests: each issues its next write when the one before was answered, so that what is answered is followed by what depends on it.</content>
internal sealed partial class SystemSimulation
{
    private async Task GuestAsync(CancellationToken life)
    {
        await Task.Yield();
        try
        {
            while (!life.IsCancellationRequested && !isOver)
            {
                var pause = random.Chance(0.3) ? 0 : random.Between(0, random.Pick([2, 40, 800]));
                if (pause > 0) await Task.Delay(TimeSpan.FromMilliseconds(pause), time, life);
                if (isPaused)
                {
                    await Task.Delay(TimeSpan.FromMilliseconds(50), time, life);
                    continue;
                }

                await WriteAsync(life);
            }
        }
        catch (Exception e) when (e is SimulatedCrashException or OperationCanceledException)
        {
            // The guest goes down with its host.
        }
    }

    private async Task WriteAsync(CancellationToken life)
    {
        var (disk, extent) = PickExtent();
        writing++;
        try
        {
            if (random.Chance(0.1))
            {
                Counters.Add(SystemCounters.Empties);
                var kind = random.Chance(0.5) ? RecordKind.Zero : RecordKind.Punch;
                _ = await source.ChangeAsync(new GuestWrite.Asked((int)disk.Disk.Id - 1, extent, null), (splitter, token) => splitter.EmptyAsync(disk, kind, extent, token));
            }
            else
            {
                Counters.Add(SystemCounters.Writes);
                var head = (int)(extent.Offset - Sectors.AlignDown(extent.Offset, Sectors.Size));
                var contents = new RegionBuffer((int)Sectors.AlignUp(head + extent.Length, Sectors.Size));
                random.Fill(contents.Memory.Span.Slice(head, (int)extent.Length));
                var isReleased = random.Chance(0.5);
                _ = await source.ChangeAsync(new GuestWrite.Asked((int)disk.Disk.Id - 1, extent, contents.Memory.Slice(head, (int)extent.Length).ToArray()), (splitter, token) => BeginAsync(splitter, disk, extent, contents, isReleased, token));
            }
        }
        catch (IOException) when (!life.IsCancellationRequested)
        {
            // A full volume: the guest is told, and what the sectors hold is one or the other.
            NoteLocalContents();
        }
        finally
        {
            if (!life.IsCancellationRequested) writing--;
        }
    }

    /// <summary>As a server does it that has more requests at hand, or none.</summary>
    private static ValueTask BeginAsync(Splitter splitter, FollowedDisk disk, Extent extent, RegionBuffer contents, bool isReleased, CancellationToken cancellation)
    {
        var write = splitter.WriteAsync(disk, extent, contents, isReleased, cancellation);
        if (!isReleased) splitter.Release();
        return write;
    }

    private void NoteLocalContents()
    {
        var images = source.ReadImages();
        for (var i = 0; i < images.Length; i++) history.Found(i, images[i]);
    }

    private (FollowedDisk Disk, Extent Extent) PickExtent()
    {
        var disk = random.Pick(source.Disks);
        var bytes = disk.Disk.Length;
        // Half of the writes go to a few places, where they overlap and meet what is being copied.
        var span = random.Chance(0.5) ? Math.Min(bytes, 64 << 10) : bytes;
        var length = Math.Min(span, random.Pick([512, 4096, 4096, 8192, 64 << 10]));
        var offset = random.Between(0, (span - length) / 512) * 512;
        if (random.Chance(0.1) && length > 600)
        {
            Counters.Add(SystemCounters.Unaligned);
            return (disk, new Extent(offset + random.Between(1, 511), length - random.Between(511, 580)));
        }

        return (disk, new Extent(offset, length));
    }
}
