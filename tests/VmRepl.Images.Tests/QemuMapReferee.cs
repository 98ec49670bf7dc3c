using VmRepl.Blocks;

namespace VmRepl.Images.Tests;

/// <summary>Our maps against qemu-img's, run by run.</summary>
internal static class QemuMapReferee
{
    /// <summary>
    /// Fails at the first place where the two disagree. qemu-img says "zero" for holes that the host file has in a raw file; we say so inside containers too, so with
    /// <paramref name="hasHostHoles"/> our zeros may be its data. Contents read by our map are compared elsewhere.
    /// </summary>
    public static void MustMapAlike(IDiskImage image, List<QemuMapRun> referee, bool hasHostHoles = false)
    {
        using var ours = image.Map(0, image.Length).GetEnumerator();
        Assert.That(ours.MoveNext());
        foreach (var run in referee)
        {
            for (var at = run.Extent.Offset; at < run.Extent.End;)
            {
                while (ours.Current.End <= at) Assert.That(ours.MoveNext(), $"our map ends before {at}");
                var mine = ours.Current;
                var where = $"at {at}: ours {mine}, qemu's {run}";
                // The file system's own holes show in qemu's map as zero; our map tells what the image says.
                if (!run.HasData) Assert.That(mine.HasData && mine.FileOffset < 0 && mine.State != BlockState.Compressed, Is.False, where);
                if (run.HasData && !run.Zero && !(hasHostHoles && mine.State == BlockState.Zero)) Assert.That(mine.HasData, where);
                if (mine.State == BlockState.Data && run.HasData) Assert.That(mine.Depth, Is.EqualTo(run.Depth), where);
                if (mine.State == BlockState.Data && run.Offset >= 0 && run.HasData)
                    Assert.That(mine.FileOffset + at - mine.Offset, Is.EqualTo(run.Offset + at - run.Extent.Offset), where);
                if (mine.State == BlockState.Compressed) Assert.That(run.HasData && run.Offset < 0, where);
                if (mine.State is BlockState.Zero or BlockState.Unallocated && !hasHostHoles) Assert.That(run.Zero, where);
                if (mine.State == BlockState.Unallocated && mine.Depth == 0) Assert.That(run.HasData && !run.Zero, Is.False, where);
                at = Math.Min(run.Extent.End, mine.End);
            }
        }
    }
}
