using VmRepl.Blocks;
using VmRepl.Protocol;
using VmRepl.Protocol.Messages;
using VmRepl.Replication.Digests;

namespace VmRepl.Replication.Source;

/// <summary>The digests of a region that was read, by which the replica is asked what it has otherwise.</summary>
/// <param name="Region">Begins at a region of the digest tree and is at most as long as one.</param>
/// <param name="Leaves">Digests of its blocks of 4 KiB.</param>
internal sealed record RegionLeaves(Extent Region, byte[] Leaves)
{
    /// <param name="digest">Has one state: groups of regions that are compared side by side take turns.</param>
    /// <param name="contents">Of the whole region.</param>
    public static RegionLeaves Of(Extent region, ReadOnlySpan<byte> contents, BlockDigest digest)
    {
        lock (digest) return new RegionLeaves(region, digest.Leaves(contents));
    }

    /// <summary>Finds the blocks of 4 KiB that the replica has otherwise, from the root of the digest tree down.</summary>
    /// <returns>In order; neighbours are one extent, within a region.</returns>
    /// <exception cref="ProtocolException">The replica answers something else than was asked.</exception>
    public static async Task<List<Extent>> AskDifferingAsync(IReadOnlyList<RegionLeaves> regions, uint disk, ReplicaLink link, BlockDigest digest, CancellationToken cancellation)
    {
        List<Extent> differing = [.. regions.Select(r => r.Region)];
        for (var level = BlockDigest.RegionBytes; level > 0 && differing.Count > 0; level = BlockDigest.Below(level))
        {
            var digests = Digests(regions, differing, digest, level);
            var (size, extents) = (level, differing);
            var result = await link.AskAsync<DigestResult>(id => new DigestCompare(id, disk, size, [.. extents], digests), cancellation);
            differing = Differing(result, extents, level, digests.Length / BlockDigest.Size);
        }

        return differing;
    }

    private static byte[] Digests(IReadOnlyList<RegionLeaves> regions, List<Extent> extents, BlockDigest digest, int level)
    {
        var digests = new byte[extents.Sum(e => BlockDigest.Count(e.Length, level)) * BlockDigest.Size];
        var at = 0;
        foreach (var extent in extents)
        {
            var own = regions.First(r => r.Region.Contains(extent)).Digests(digest, extent, level);
            own.CopyTo(digests.AsSpan(at));
            at += own.Length;
        }

        return digests;
    }

    private static List<Extent> Differing(DigestResult result, List<Extent> asked, int level, int count)
    {
        if (result.Differing.Length != (count + 7) / 8) throw new ProtocolException("differing", 0, "a bit for each block", $"{result.Differing.Length} bytes");
        var differing = new List<Extent>();
        var index = 0;
        foreach (var extent in asked)
        {
            var first = true;
            for (var offset = extent.Offset; offset < extent.End; offset += level, index++)
            {
                if ((result.Differing[index / 8] & (1 << (index % 8))) == 0) continue;
                var block = new Extent(offset, Math.Min(level, extent.End - offset));
                if (!first && differing[^1].End == offset) differing[^1] = Extent.FromEnds(differing[^1].Offset, block.End);
                else differing.Add(block);
                first = false;
            }
        }

        return differing;
    }

    private byte[] Digests(BlockDigest digest, Extent part, int level)
    {
        var first = (int)((part.Offset - Region.Offset) / BlockDigest.LeafBytes) * BlockDigest.Size;
        var digests = Leaves.AsSpan(first, BlockDigest.Count(part.Length, BlockDigest.LeafBytes) * BlockDigest.Size).ToArray();
        lock (digest)
        {
            for (var size = BlockDigest.LeafBytes; size < level; size *= 16) digests = digest.Parents(digests);
        }

        return digests;
    }
}
