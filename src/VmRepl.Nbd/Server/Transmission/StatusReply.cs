using System.Buffers.Binary;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Server;

/// <summary>Answers a block status: a chunk for each context, of bounded length. A client asks on from where an answer ends.</summary>
internal static class StatusReply
{
    private const int ExtentsMax = 4096;
    private const int ContextIdSize = 4;
    private const int ExtentSize = 8;

    /// <returns>All chunks, one after the other.</returns>
    public static byte[] Make(in NbdRequest request, IReadOnlyList<INbdContext> contexts)
    {
        var extentsMax = request.Flags.HasFlag(NbdCommandFlags.RequestOne) ? 1 : ExtentsMax;
        using var reply = new MemoryStream();
        for (var i = 0; i < contexts.Count; i++)
        {
            var extents = Joined(contexts[i].Status((long)request.Offset, request.Length), extentsMax);
            var chunk = new byte[ReplyWriter.ChunkSize + ContextIdSize + (extents.Count * ExtentSize)];
            ReplyWriter.WriteChunk(chunk, request.Cookie, NbdChunk.BlockStatus, i == contexts.Count - 1, chunk.Length - ReplyWriter.ChunkSize);
            BinaryPrimitives.WriteInt32BigEndian(chunk.AsSpan(ReplyWriter.ChunkSize), i + 1);
            var at = ReplyWriter.ChunkSize + ContextIdSize;
            foreach (var extent in extents)
            {
                BinaryPrimitives.WriteUInt32BigEndian(chunk.AsSpan(at), (uint)extent.Length);
                BinaryPrimitives.WriteUInt32BigEndian(chunk.AsSpan(at + 4), extent.Flags);
                at += ExtentSize;
            }

            reply.Write(chunk);
        }

        return reply.ToArray();
    }

    /// <summary>Neighbours that say the same are one. The sum is at most the request's length, so each fits 32 bits.</summary>
    private static List<NbdExtent> Joined(IEnumerable<NbdExtent> runs, int extentsMax)
    {
        var extents = new List<NbdExtent>();
        foreach (var run in runs)
        {
            if (extents.Count > 0 && extents[^1].Flags == run.Flags) extents[^1] = extents[^1] with { Length = extents[^1].Length + run.Length };
            else if (extents.Count == extentsMax) break;
            else extents.Add(run);
        }

        return extents;
    }
}
