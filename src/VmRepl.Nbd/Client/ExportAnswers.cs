using System.Buffers.Binary;
using VmRepl.Blocks;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Client;

/// <summary>The facts that a server tells of an export when it opens it.</summary>
internal sealed class ExportAnswers(OptionExchange exchange)
{
    private (ulong Length, NbdTransmissionFlags Flags)? export;
    private BlockSizes? sizes;

    /// <summary>One answer to <see cref="NbdOption.Go"/> that is no end.</summary>
    /// <exception cref="NbdException">It is none, or says what cannot be.</exception>
    public void Add(OptionReply reply)
    {
        if (reply.Kind != NbdOptionReply.Info) throw exchange.Broken($"it answered {NbdOption.Go} with {reply.Kind} where {NbdOptionReply.Info}, {NbdOptionReply.Ack} or an error was expected");
        if (reply.Body.Length < 2) throw exchange.Broken($"a fact of {reply.Body.Length} bytes about the export; 2 are the least");
        var told = reply.Body.AsSpan(2);
        switch ((NbdInfo)BinaryPrimitives.ReadUInt16BigEndian(reply.Body))
        {
            case NbdInfo.Export:
                if (told.Length != 10) throw exchange.Broken($"it tells the export's size in {told.Length} bytes; 10 were expected");
                AddExport(told);
                break;
            case NbdInfo.BlockSize:
                if (told.Length != 12) throw exchange.Broken($"it tells the block sizes in {told.Length} bytes; 12 were expected");
                var (minimum, preferred, maximum) = (BinaryPrimitives.ReadUInt32BigEndian(told), BinaryPrimitives.ReadUInt32BigEndian(told[4..]), BinaryPrimitives.ReadUInt32BigEndian(told[8..]));
                sizes = BlockSizes.Of(minimum, preferred, maximum) ?? throw exchange.Broken($"block sizes of {minimum} at least, {preferred} preferred and {maximum} at most cannot be");
                break;
        }
    }

    /// <summary>Size (8 bytes) and flags (2), as both ways of opening tell them.</summary>
    public void AddExport(ReadOnlySpan<byte> told)
    {
        var flags = (NbdTransmissionFlags)BinaryPrimitives.ReadUInt16BigEndian(told[8..]);
        export = (BinaryPrimitives.ReadUInt64BigEndian(told), flags.HasFlag(NbdTransmissionFlags.HasFlags) ? flags : NbdTransmissionFlags.None);
    }

    /// <exception cref="NbdException">A fact is missing, or the export is none that can be used here.</exception>
    public OpenedExport Finish(string name, bool hasStructuredReplies, ContextAnswers contexts)
    {
        var (length, flags) = export ?? throw exchange.Broken($"it opened \"{name}\" without telling its size");
        var block = sizes ?? BlockSizes.Unsaid;
        if (length > long.MaxValue) throw exchange.Broken($"\"{name}\" has {length} bytes; {long.MaxValue} are the most");
        if (length % Sectors.Size != 0) throw exchange.Broken($"\"{name}\" has {length} bytes, which is no multiple of {Sectors.Size}");
        if (length % (uint)block.Minimum != 0) throw exchange.Broken($"\"{name}\" has {length} bytes, which is no multiple of its least request, {block.Minimum}");
        return new OpenedExport(name, (long)length, flags, hasStructuredReplies, block, contexts.Numbers);
    }
}
