using VmRepl.Blocks;
using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>The answer to <see cref="MapView"/>. Where it ends before the range does, ask again from there.</summary>
/// <param name="Extents">Ascending, not empty, without overlap; a gap reads as zeros.</param>
public sealed record ViewMap(ViewExtent[] Extents) : IMessage
{
    public MessageType Type => MessageType.ViewMap;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 1);
        writer.WriteArrayHeader(checked(3 * Extents.Length));
        long end = 0;
        foreach (var extent in Extents)
        {
            end = writer.WriteExtentAfter(extent.Offset, extent.Length, end);
            writer.WriteInt32((int)extent.State);
        }
    }

    internal static ViewMap Read(ref MessageFields fields)
    {
        var outer = fields.Enter("view map", 3 * MessageLimits.MaxExtents, out var count);
        if (count % 3 != 0) throw fields.Wrong("view map", "triples", $"{count} numbers");
        var extents = new ViewExtent[count / 3];
        long end = 0;
        for (var i = 0; i < extents.Length; i++)
        {
            var extent = fields.ExtentAfter("view map", end);
            extents[i] = new ViewExtent(extent.Offset, extent.Length, (BlockState)fields.Int32("view map state", 0, (int)BlockState.Compressed));
            end = extent.End;
        }

        fields.Leave(outer);
        return new ViewMap(extents);
    }
}
