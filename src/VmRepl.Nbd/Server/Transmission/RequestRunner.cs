using System.Buffers;
using VmRepl.Blocks;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Server;

/// <summary>Carries out one request, which was checked, on the device.</summary>
internal sealed class RequestRunner(ChosenExport chosen)
{
    private const int CachePieceBytes = 1 << 20;

    private readonly IBlockDevice device = chosen.Export.Device;
    private readonly IQuickZero? quick = chosen.Export.Device as IQuickZero;

    /// <summary>Fills <paramref name="target"/> from the request's offset plus <paramref name="done"/>.</summary>
    public void Read(in NbdRequest request, long done, Span<byte> target) => device.Read((long)request.Offset + done, target);

    public void Write(in NbdRequest request, long done, ReadOnlySpan<byte> data) => device.Write((long)request.Offset + done, data);

    /// <summary>After the last part of a write.</summary>
    public void FinishWrite(in NbdRequest request)
    {
        if (request.Flags.HasFlag(NbdCommandFlags.Fua)) device.Flush();
    }

    public byte[] Status(in NbdRequest request) => StatusReply.Make(request, chosen.Contexts);

    /// <summary>Whatever brings no contents in either direction.</summary>
    /// <returns>None, or why it was not done.</returns>
    public NbdError RunWithoutContents(in NbdRequest request)
    {
        var (offset, length) = ((long)request.Offset, (long)request.Length);
        switch (request.Command)
        {
            case NbdCommand.Flush:
                device.Flush();
                return NbdError.None;
            case NbdCommand.Cache:
                ReadAhead(offset, length);
                return NbdError.None;
            case NbdCommand.Trim when length > 0:
                device.Punch(offset, length);
                break;
            case NbdCommand.WriteZeroes when length > 0:
                var keepsSpace = request.Flags.HasFlag(NbdCommandFlags.NoHole);
                if (request.Flags.HasFlag(NbdCommandFlags.FastZero) && !(keepsSpace ? quick?.IsZeroQuick(offset, length) ?? false : quick?.IsPunchQuick(offset, length) ?? false)) return NbdError.NotSupported;
                if (keepsSpace) device.Zero(offset, length);
                else device.Punch(offset, length);
                break;
        }

        FinishWrite(request);
        return NbdError.None;
    }

    /// <summary>Reading is the hint that every device understands.</summary>
    private void ReadAhead(long offset, long length)
    {
        var piece = ArrayPool<byte>.Shared.Rent((int)Math.Min(length, CachePieceBytes));
        try
        {
            for (long done = 0; done < length;)
            {
                var count = (int)Math.Min(length - done, CachePieceBytes);
                device.Read(offset + done, piece.AsSpan(0, count));
                done += count;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(piece);
        }
    }
}
