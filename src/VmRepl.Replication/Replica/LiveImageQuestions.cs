using VmRepl.Blocks;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Messages;
using VmRepl.Replication.Digests;

namespace VmRepl.Replication.Replica;

/// <summary>Answers what a source asks about the live images: which blocks differ from given digests, and what is allocated.</summary>
internal sealed class LiveImageQuestions(GroupStore group, Guid storeId) : IDisposable
{
    private readonly BlockDigest digest = new(storeId, group.Description.SourceId);

    /// <exception cref="ArgumentException">The question does not fit the group's disks.</exception>
    public IMessage Answer(IMessage question, CancellationToken cancellation) => question switch
    {
        DigestCompare compare => Compare(compare, cancellation),
        AllocationQuery query => Allocation(query),
        _ => throw new ArgumentException($"{question.Type} is no question"),
    };

    public void Dispose() => digest.Dispose();

    private DigestResult Compare(DigestCompare compare, CancellationToken cancellation)
    {
        var disk = Disk(compare.Disk, compare.Extents);
        if (!BlockDigest.IsLevel(compare.BlockSize)) throw new ArgumentException($"{compare.BlockSize} is no block size of the digest tree");
        var differing = new byte[(DigestCompare.BlockCount(compare.Extents, compare.BlockSize) + 7) / 8];
        var index = 0;
        foreach (var extent in compare.Extents)
        {
            if (!Sectors.IsAligned(extent.Offset, compare.BlockSize)) throw new ArgumentException($"{extent} does not begin on a block of {compare.BlockSize} bytes");
            // A block at a time bounds the memory, whatever the extent.
            for (var at = extent.Offset; at < extent.End; at += BlockDigest.RegionBytes)
            {
                cancellation.ThrowIfCancellationRequested();
                using var data = PooledBuffer.Rent((int)Math.Min(BlockDigest.RegionBytes, extent.End - at));
                disk.Read(at, data.Span);
                var own = digest.Compute(data.Span, compare.BlockSize);
                for (var i = 0; i < own.Length; i += BlockDigest.Size, index++)
                {
                    if (!own.AsSpan(i, BlockDigest.Size).SequenceEqual(compare.Digests.AsSpan(index * BlockDigest.Size, BlockDigest.Size))) differing[index / 8] |= (byte)(1 << (index % 8));
                }
            }
        }

        return new DigestResult(compare.Id, differing);
    }

    private AllocationResult Allocation(AllocationQuery query)
    {
        var disk = Disk(query.Disk, query.Extents);
        var allocated = new ExtentSet();
        foreach (var extent in query.Extents)
        {
            foreach (var run in disk.Map(extent.Offset, extent.Length))
            {
                if (run.HasData) allocated.Add(run.Extent);
            }
        }

        return new AllocationResult(query.Id, [.. Coalesce(allocated.Extents)]);
    }

    /// <summary>Keeps the answer within the protocol's limit: where there are too many, near neighbours are joined. Saying too much costs a comparison, never contents.</summary>
    private static IEnumerable<Extent> Coalesce(IReadOnlyList<Extent> extents)
    {
        long gapMax = 0;
        while (true)
        {
            var joined = new List<Extent>();
            foreach (var extent in extents)
            {
                if (joined.Count > 0 && extent.Offset - joined[^1].End <= gapMax) joined[^1] = Extent.FromEnds(joined[^1].Offset, extent.End);
                else joined.Add(extent);
            }

            if (joined.Count <= MessageLimits.MaxExtents) return joined;
            gapMax = Math.Max(BlockDigest.LeafBytes, gapMax * 4);
        }
    }

    private IBlockDevice Disk(uint id, Extent[] extents)
    {
        if (!group.Live.TryGetValue(id, out var disk)) throw new ArgumentException($"the group has no disk {id}");
        return extents.All(e => e.End <= disk.Length) ? disk : throw new ArgumentException($"a question reaches past the end of disk {id}");
    }
}
