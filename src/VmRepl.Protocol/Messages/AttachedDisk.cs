using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>A disk that is served.</summary>
/// <param name="Uri">Where, as NBD clients read it.</param>
public sealed record AttachedDisk(string Disk, string Uri)
{
    internal void WriteTo(MessagePackWriter writer)
    {
        writer.WriteArrayHeader(2);
        writer.WriteString(Disk);
        writer.WriteString(Uri);
    }

    internal static AttachedDisk Read(ref MessageFields fields)
    {
        var outer = fields.Enter("attached disk");
        var disk = new AttachedDisk(fields.Name("attached disk"), fields.Text("attached URI"));
        fields.Leave(outer);
        return disk;
    }
}
