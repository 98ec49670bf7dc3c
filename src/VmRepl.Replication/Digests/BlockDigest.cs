using System.Security.Cryptography;
using VmRepl.Blocks;

namespace VmRepl.Replication.Digests;

/// <summary>
/// The digests by which source and replica find out what differs: a tree over 1 MiB regions with 16 children to a node.
/// A leaf is SHA-256 over a key and 4 KiB of the disk; a node is SHA-256 over the key and its children; each is cut to 16 bytes.
/// The key is unknown to the guest, who writes the data, so it cannot prepare two blocks that look equal. Not safe for concurrent use.
/// </summary>
public sealed class BlockDigest : IDisposable
{
    /// <summary>Bytes of a digest on the wire.</summary>
    public const int Size = 16;

    /// <summary>Blocks of the tree's levels in bytes, from the root down.</summary>
    public const int RegionBytes = 1 << 20, MiddleBytes = 64 << 10, LeafBytes = 4 << 10;

    private readonly byte[] key;
    private readonly IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly byte[] zeroLeaf = new byte[Size];

    /// <param name="store">The replica's store.</param>
    /// <param name="source">The agent that the group belongs to.</param>
    public BlockDigest(Guid store, Guid source)
    {
        key = SHA256.HashData([.. "vmrepl digest 1"u8, .. store.ToByteArray(), .. source.ToByteArray()]);
        Hash(new byte[LeafBytes], zeroLeaf);
    }

    /// <summary>Block size of the next level down; 0 below the leaves.</summary>
    public static int Below(int blockBytes) => blockBytes switch { RegionBytes => MiddleBytes, MiddleBytes => LeafBytes, _ => 0 };

    public static bool IsLevel(int blockBytes) => blockBytes is RegionBytes or MiddleBytes or LeafBytes;

    /// <summary>The number of blocks of a level in that many bytes, the last one possibly short.</summary>
    public static int Count(long bytes, int blockBytes) => checked((int)((bytes + blockBytes - 1) / blockBytes));

    /// <summary>The digests of each block of one level in <paramref name="data"/>, which begins on a block of that level.</summary>
    public byte[] Compute(ReadOnlySpan<byte> data, int blockBytes)
    {
        var digests = Leaves(data);
        for (var level = LeafBytes; level < blockBytes; level *= 16) digests = Parents(digests);
        return digests;
    }

    /// <summary>The digests one level up; 16 children to a node, the last one possibly with fewer.</summary>
    public byte[] Parents(ReadOnlySpan<byte> children)
    {
        const int group = 16 * Size;
        var parents = new byte[(children.Length + group - 1) / group * Size];
        for (var i = 0; i * group < children.Length; i++)
            Hash(children.Slice(i * group, Math.Min(group, children.Length - (i * group))), parents.AsSpan(i * Size, Size));
        return parents;
    }

    public byte[] Leaves(ReadOnlySpan<byte> data)
    {
        var digests = new byte[Count(data.Length, LeafBytes) * Size];
        for (var at = 0; at < data.Length; at += LeafBytes)
        {
            var block = data.Slice(at, Math.Min(LeafBytes, data.Length - at));
            var target = digests.AsSpan(at / LeafBytes * Size, Size);
            if (block.Length == LeafBytes && Sectors.IsZero(block)) zeroLeaf.CopyTo(target);
            else Hash(block, target);
        }

        return digests;
    }

    public void Dispose() => hash.Dispose();

    private void Hash(ReadOnlySpan<byte> data, Span<byte> target)
    {
        Span<byte> full = stackalloc byte[SHA256.HashSizeInBytes];
        hash.AppendData(key);
        hash.AppendData(data);
        hash.GetHashAndReset(full);
        full[..Size].CopyTo(target);
    }
}
