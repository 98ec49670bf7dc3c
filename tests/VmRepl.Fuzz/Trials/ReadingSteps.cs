using VmRepl.Blocks;
using VmRepl.Images;
using VmRepl.Images.Changes;
using VmRepl.Images.Operations;
using VmRepl.Simulation.Storage;

namespace VmRepl.Fuzz.Trials;

/// <summary>Everything that is asked of an opened image without changing it.</summary>
internal sealed class ReadingSteps(Trial trial, IDiskImage image, SeededRandom random)
{
    private readonly List<MapExtent> extents = [];
    private readonly byte[] buffer = new byte[64 << 10];
    private long mappedData, readBytes;
    private bool isMapWhole;

    public void Run()
    {
        trial.Try("describe", Describe);
        trial.Try("tracks", Tracks);
        var isMapped = trial.Try("map", Map);
        trial.Try("check", () => _ = image.Check().Count());
        foreach (var extent in extents) trial.Try("read", () => ReadExtent(extent));
        ReadAnywhere();
        if (isMapped && isMapWhole && mappedData <= TrialLimits.CopyBytesMax && random.Chance(0.08)) trial.Try("copy", Copy);
    }

    private void Describe()
    {
        var described = image.Description;
        _ = described.Details.Sum(d => d.Key.Length + (d.Value?.Length ?? 0));
        _ = image.Files.Count;
        foreach (var snapshot in image.Snapshots) _ = snapshot.ToString();
        if (image.Length < 0 || image.Length % image.SectorSize != 0) trial.Found("describe", $"the disk has {image.Length} bytes in sectors of {image.SectorSize}");
    }

    private void Tracks()
    {
        foreach (var track in ChangeTracks.Of(image))
        {
            var end = 0L;
            _ = (track.Name.Length, track.Granularity);
            if (track.Problem is not null && random.Chance(0.8)) continue;
            foreach (var change in track.Changes().Take(TrialLimits.MapRunsMax))
            {
                if (change.Offset < end || change.Length <= 0 || change.End > image.Length) trial.Found("tracks", $"\"{track.Name}\" says that {change} changed, after {end}, on a disk of {image.Length}");
                end = change.End;
            }
        }
    }

    private void Map()
    {
        long at = 0, runs = 0;
        foreach (var run in image.Map(0, image.Length))
        {
            if (run.Offset != at || run.Length <= 0 || run.Length > image.Length - at)
            {
                trial.Found("map", $"a run {run} follows {at} on a disk of {image.Length}");
                return;
            }

            at = run.End;
            if (run.HasData) mappedData += run.Length;
            // The first ones, and later any in turn.
            if (extents.Count < TrialLimits.ExtentsKept) extents.Add(run);
            else if (random.Between(0, runs) < TrialLimits.ExtentsKept) extents[(int)random.Between(0, TrialLimits.ExtentsKept - 1)] = run;
            if (++runs >= TrialLimits.MapRunsMax) return;
        }

        isMapWhole = at == image.Length;
        if (!isMapWhole) trial.Found("map", $"ends at {at} on a disk of {image.Length}");
    }

    /// <summary>Reads what the extent begins and ends with, and all of it while there is something left to read. What has no data must be zeros.</summary>
    private void ReadExtent(MapExtent extent)
    {
        for (var at = extent.Offset; at < extent.End;)
        {
            var count = (int)Math.Min(buffer.Length, extent.End - at);
            if (!extent.HasData) count = Math.Min(count, 4096);
            if (readBytes > TrialLimits.ReadBytesMax) count = Math.Min(count, 512);
            Fill(at, buffer.AsSpan(0, count), extent);
            readBytes += count;
            if (at == extent.Offset && extent.HasData && count > 2) ReadAgain(at, count);
            // Then the end, and no more, of what is too long.
            var isShort = extent.HasData && readBytes <= TrialLimits.ReadBytesMax;
            at = isShort || at + count >= extent.End ? at + count : Math.Max(at + count, extent.End - count);
            if (!isShort && at == extent.End - count && random.Chance(0.5)) return;
        }
    }

    private void Fill(long at, Span<byte> piece, MapExtent extent)
    {
        image.Read(at, piece);
        if (extent.HasData) trial.Result.HasReadBlock = true;
        else if (piece.ContainsAnyExcept((byte)0)) trial.Found("read", $"the map says {extent}, and there is {piece[piece.IndexOfAnyExcept((byte)0)]} at {at + piece.IndexOfAnyExcept((byte)0)}");
    }

    /// <summary>The same bytes in two pieces of odd lengths are the same bytes.</summary>
    private void ReadAgain(long at, int count)
    {
        var first = (int)random.Between(1, count - 1);
        var again = new byte[count];
        image.Read(at + first, again.AsSpan(first));
        image.Read(at, again.AsSpan(0, first));
        if (!again.AsSpan().SequenceEqual(buffer.AsSpan(0, count))) trial.Found("read", $"{count} bytes at {at} differ when they are read as {first} and the rest");
    }

    private void ReadAnywhere()
    {
        if (image.Length == 0) return;
        foreach (var place in new[] { 0, image.Length - 1, random.Between(0, image.Length - 1), random.Between(0, image.Length - 1) })
            trial.Try("read", () => image.Read(place, buffer.AsSpan(0, (int)Math.Min(3000, image.Length - place))));
        trial.Try("read", () => image.Read(image.Length, []));
    }

    private void Copy()
    {
        var target = new MemoryTarget(image.Length, image.SectorSize);
        ImageConverter.Convert(image, target, new ConvertOptions(), CancellationToken.None);
        var result = ImageComparer.Compare(image, target, null, CancellationToken.None);
        if (!result.Equal) trial.Found("copy", $"the copy differs from the image: {result.Reason}");
        trial.Result.IsCopied = true;
    }
}
