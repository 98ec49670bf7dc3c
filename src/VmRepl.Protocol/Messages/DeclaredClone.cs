using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>What a group that holds a clone is a clone of.</summary>
/// <param name="Owner">The group whose clone it is; whoever may open that one may open this one.</param>
/// <param name="Disk">The owner's disk.</param>
/// <param name="Base">How that was found out, for people.</param>
/// <param name="Name">What the clone is called by people. It is shown and compared, and never used as a path.</param>
/// <param name="TimeUs">When the clone was last written, microseconds since 1970 UTC by the source's clock; 0 to <see cref="TimeUsMax"/>.</param>
public sealed record DeclaredClone(string Owner, string Disk, string Base, string Name, long TimeUs)
{
    /// <summary>The last second of the year 9999.</summary>
    public const long TimeUsMax = 253_402_300_799_000_000;

    internal void WriteTo(MessagePackWriter writer)
    {
        writer.WriteArrayHeader(5);
        writer.WriteString(Owner);
        writer.WriteString(Disk);
        writer.WriteString(Base);
        writer.WriteString(Name);
        writer.WriteInt64(TimeUs);
    }

    internal static DeclaredClone Read(ref MessageFields fields)
    {
        var outer = fields.Enter("clone");
        var clone = new DeclaredClone(fields.Name("clone owner"), fields.Name("clone disk"), fields.Text("clone base"), fields.Text("clone name"), fields.Size("clone time"));
        if (clone.TimeUs > TimeUsMax) throw fields.Wrong("clone time", $"at most {TimeUsMax}", $"{clone.TimeUs}");
        fields.Leave(outer);
        return clone;
    }
}
