using VmRepl.Blocks;

namespace VmRepl.Images.Operations;

/// <summary>Compares two disks by contents.</summary>
public static class ImageComparer
{
    /// <summary>
    /// Compares as <c>qemu-img compare</c> does without -s: what the longer disk has more must be zeros. Ranges that are zeros in both by their maps are not read.
    /// </summary>
    /// <param name="progress">Told the bytes of the longer disk done so far.</param>
    public static ComparisonResult Compare(IBlockDevice a, IBlockDevice b, IProgress<long>? progress, CancellationToken ct)
    {
        using var comparison = new ImageComparison(a, b, progress, ct);
        return comparison.Run() is { } offset ? Different(offset, Math.Min(a.Length, b.Length)) : new ComparisonResult(true, -1, null);
    }

    private static ComparisonResult Different(long offset, long common) => new(false, offset,
        offset < common ? $"contents differ first at offset {offset}" : $"the longer disk has data at offset {offset}, past the shorter one's end at {common}");
}
