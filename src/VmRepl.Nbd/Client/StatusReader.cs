using System.Buffers.Binary;
using VmRepl.Nbd.Transport;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Client;

/// <summary>Reads what a server says of the blocks of a range (chunk <see cref="NbdChunk.BlockStatus"/>): 4 bytes context number, then 8 for each extent, its length and its flags.</summary>
internal sealed class StatusReader(ReceiveBuffer receive, OpenedExport export, string peer)
{
    /// <summary>Most extents of one answer: 8 MiB on the wire.</summary>
    public const int ExtentsMax = 1 << 20;

    private const int ExtentSize = 8;

    private readonly HashSet<uint> known = [.. export.Contexts.Values];

    /// <exception cref="NbdException">The extents are none that the request can have.</exception>
    public void Read(PendingRequest request, uint length)
    {
        if (request.Command != NbdCommand.BlockStatus) throw Broken(request, "a status of blocks in the answer");
        if (length < 4 + ExtentSize || (length - 4) % ExtentSize != 0) throw Broken(request, $"a status in {length} bytes; 4 and a multiple of {ExtentSize} were expected");
        var count = (length - 4) / ExtentSize;
        if (count > ExtentsMax) throw Broken(request, $"{count} extents in one answer; {ExtentsMax} are the most");
        var context = BinaryPrimitives.ReadUInt32BigEndian(Take(request, 4));
        if (!known.Contains(context)) throw Broken(request, $"the status of context {context}, which was not agreed");
        if (!request.ContextsSeen.Add(context)) throw Broken(request, $"the status of context {context} came twice");
        var runs = context == request.Context ? request.Extents = [] : null;
        for (var (index, offset) = (0, request.Offset); index < count; index++)
        {
            var extent = Take(request, ExtentSize);
            var (size, flags) = (BinaryPrimitives.ReadUInt32BigEndian(extent), BinaryPrimitives.ReadUInt32BigEndian(extent[4..]));
            if (size == 0) throw Broken(request, $"an extent of no bytes at {offset}");
            if (offset >= request.End) throw Broken(request, $"extent {index} begins at {offset}, behind the range");
            if (size > export.Length - offset) throw Broken(request, $"an extent of {size} bytes at {offset} ends behind the export's {export.Length}");
            // Otherwise the next request, which has to be aligned, would ask the same again.
            if (size % (uint)export.Sizes.Minimum != 0 && size != export.Length - offset) throw Broken(request, $"an extent of {size} bytes at {offset} is no multiple of the least request, {export.Sizes.Minimum}");
            // Only the last may pass the range; the rest of it is not asked for here.
            if (runs is not null) Add(runs, Math.Min(size, request.End - offset), flags);
            offset += size;
        }
    }

    private static void Add(List<NbdExtent> runs, long length, uint flags)
    {
        if (runs.Count > 0 && runs[^1].Flags == flags) runs[^1] = new NbdExtent(runs[^1].Length + length, flags);
        else runs.Add(new NbdExtent(length, flags));
    }

    private ReadOnlySpan<byte> Take(PendingRequest request, int count)
    {
        if (!receive.Fill(count)) throw Broken(request, "it ended the connection amid the status");
        var bytes = receive.Peek(count);
        receive.Skip(count);
        return bytes;
    }

    private NbdException Broken(PendingRequest request, string message) => new(peer, $"{message} (asked: {request.Command} of {request.Length} bytes at {request.Offset})");
}
