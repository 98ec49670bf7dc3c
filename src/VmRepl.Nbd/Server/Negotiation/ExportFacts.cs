using VmRepl.Blocks;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Server;

/// <summary>What a client is told of an export, and what its requests are then held to.</summary>
internal sealed record ExportFacts(long Length, NbdTransmissionFlags Flags, int BlockBytesPreferred)
{
    /// <summary>Requests need no alignment.</summary>
    public const int BlockBytesMin = 1;

    private const int PreferredBytes = 4096;

    public bool IsReadOnly => Flags.HasFlag(NbdTransmissionFlags.ReadOnly);

    public static ExportFacts Of(INbdExport export, bool hasStructuredReplies)
    {
        var device = export.Device;
        var flags = NbdTransmissionFlags.HasFlags | NbdTransmissionFlags.SendFlush | NbdTransmissionFlags.SendFua | NbdTransmissionFlags.SendCache;
        flags |= device.IsReadOnly ? NbdTransmissionFlags.ReadOnly : NbdTransmissionFlags.SendTrim | NbdTransmissionFlags.SendWriteZeroes | NbdTransmissionFlags.SendFastZero;
        if (hasStructuredReplies) flags |= NbdTransmissionFlags.SendDontFragment;
        if (export.CanMultiConn) flags |= NbdTransmissionFlags.CanMultiConn;
        return new ExportFacts(device.Length, flags, Math.Max(PreferredBytes, device.SectorSize));
    }
}
