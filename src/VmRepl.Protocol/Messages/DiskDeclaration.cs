using VmRepl.Blocks;
using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>A disk of a group as its source declares it.</summary>
/// <param name="Id">Its number within the group, which records carry.</param>
/// <param name="Name">By <see cref="NameRule"/>, once in a group.</param>
/// <param name="Length">Bytes.</param>
/// <param name="SectorSize">512 or 4096.</param>
/// <param name="Format">What the source's file is: <c>raw</c>, <c>qcow2</c>, <c>vhdx</c>, <c>vmdk</c>, <c>vhd</c>.</param>
public sealed record DiskDeclaration(uint Id, string Name, long Length, int SectorSize, string Format)
{
    internal void WriteTo(MessagePackWriter writer)
    {
        writer.WriteArrayHeader(5);
        writer.WriteUInt32(Id);
        writer.WriteString(Name);
        writer.WriteInt64(Length);
        writer.WriteInt32(SectorSize);
        writer.WriteString(Format);
    }

    internal static DiskDeclaration[] ReadList(ref MessageFields fields)
    {
        var outer = fields.Enter("disks", MessageLimits.MaxDisks, out var count);
        var disks = new DiskDeclaration[count];
        var ids = new HashSet<uint>(count);
        // Names become files, and some volumes do not tell upper from lower case.
        var names = new HashSet<string>(count, StringComparer.OrdinalIgnoreCase);
        for (var i = 0; i < count; i++)
        {
            disks[i] = Read(ref fields);
            if (!ids.Add(disks[i].Id)) throw fields.Wrong("disk id", "each number once", $"{disks[i].Id}");
            if (!names.Add(disks[i].Name)) throw fields.Wrong("disk name", "each name once, whatever its case", disks[i].Name);
        }

        fields.Leave(outer);
        return disks;
    }

    private static DiskDeclaration Read(ref MessageFields fields)
    {
        var outer = fields.Enter("disk");
        var disk = new DiskDeclaration(
            fields.UInt32("disk id"), fields.Name("disk name"), fields.Size("disk length"), fields.Int32("disk sector size", Sectors.Size, 4096), fields.Word("disk format"));
        if (disk.SectorSize is not (Sectors.Size or 4096)) throw fields.Wrong("disk sector size", "512 or 4096", $"{disk.SectorSize}");
        fields.Leave(outer);
        return disk;
    }
}
