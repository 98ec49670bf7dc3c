using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>A file at the replica that a disk's live image is filled from before its baseline. Only a peer that named the capability <see cref="SeedDisk.Capability"/> looks at it.</summary>
/// <param name="Disk">The disk's number.</param>
/// <param name="File">A path at the replica, or a point of its store as <c>group:GROUP/DISK@POINT</c>, as an administrator typed it: nothing is known of it. At most 4096 bytes.</param>
/// <param name="Format">raw, qcow2, vhdx, vmdk or vhd; empty to probe.</param>
public sealed record DeclaredSeed(uint Disk, string File, string Format)
{
    internal static void WriteList(MessagePackWriter writer, DeclaredSeed[] seeds)
    {
        writer.WriteArrayHeader(seeds.Length);
        foreach (var seed in seeds)
        {
            writer.WriteArrayHeader(3);
            writer.WriteUInt32(seed.Disk);
            writer.WriteString(seed.File);
            writer.WriteString(seed.Format);
        }
    }

    internal static DeclaredSeed[] ReadList(ref MessageFields fields)
    {
        var outer = fields.Enter("seeds", MessageLimits.MaxDisks, out var count);
        var seeds = new DeclaredSeed[count];
        for (var i = 0; i < count; i++)
        {
            var inner = fields.Enter("seed");
            seeds[i] = new DeclaredSeed(fields.UInt32("seed disk"), fields.String("seed file", MessageLimits.MaxTextBytes), fields.Word("seed format"));
            if (seeds[..i].Any(s => s.Disk == seeds[i].Disk)) throw fields.Wrong("seed disk", "each once", $"{seeds[i].Disk} twice");
            fields.Leave(inner);
        }

        fields.Leave(outer);
        return seeds;
    }
}
