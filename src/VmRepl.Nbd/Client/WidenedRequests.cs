using VmRepl.Blocks;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Client;

/// <summary>
/// Requests of any size to a server with a least request above one byte. Reads take the surrounding blocks along; a write that covers a block in part reads it, changes it and writes it back.
/// Nothing else of this client may write that block meanwhile: such writes have the gate for themselves, all others share it. Other clients are not held off.
/// </summary>
internal sealed class WidenedRequests(PieceRequests pieces, OpenedExport export)
{
    private readonly ReaderWriterLockSlim gate = new();
    private readonly int unit = export.Sizes.Minimum;

    public void Read(long offset, Span<byte> target)
    {
        var parts = Split(offset, target.Length);
        if (parts.First > 0) ReadInside(offset, target[..parts.First]);
        pieces.Read(offset + parts.First, target[parts.First..^parts.Last]);
        if (parts.Last > 0) ReadInside(offset + target.Length - parts.Last, target[^parts.Last..]);
    }

    public void Write(long offset, ReadOnlySpan<byte> data, NbdCommandFlags flags)
    {
        var parts = Split(offset, data.Length);
        if (parts.First > 0) WriteInside(offset, data[..parts.First], flags);
        EnterShared();
        try
        {
            pieces.Write(offset + parts.First, data[parts.First..^parts.Last], flags);
        }
        finally
        {
            ExitShared();
        }

        if (parts.Last > 0) WriteInside(offset + data.Length - parts.Last, data[^parts.Last..], flags);
    }

    /// <summary>Writes zeros, by the server where it can.</summary>
    public void Clear(long offset, long length, NbdCommandFlags flags)
    {
        var parts = Split(offset, length);
        ReadOnlySpan<byte> zeros = parts.First + parts.Last > 0 ? new byte[unit] : [];
        if (parts.First > 0) WriteInside(offset, zeros[..parts.First], NbdCommandFlags.None);
        var middle = length - parts.First - parts.Last;
        if (export.Has(NbdTransmissionFlags.SendWriteZeroes)) Ask(NbdCommand.WriteZeroes, flags, offset + parts.First, middle);
        else WriteZeros(offset + parts.First, middle);
        if (parts.Last > 0) WriteInside(offset + length - parts.Last, zeros[..parts.Last], NbdCommandFlags.None);
    }

    /// <summary>A request without contents of an aligned range.</summary>
    public void Ask(NbdCommand command, NbdCommandFlags flags, long offset, long length)
    {
        EnterShared();
        try
        {
            pieces.Ask(command, flags, offset, length);
        }
        finally
        {
            ExitShared();
        }
    }

    /// <summary>As <see cref="Ask"/>, of the blocks that lie whole in the range.</summary>
    public void AskInside(NbdCommand command, long offset, long length)
    {
        var parts = Split(offset, length);
        Ask(command, NbdCommandFlags.None, offset + parts.First, length - parts.First - parts.Last);
    }

    /// <summary>How many bytes at either end lie in a block of which the range is only a part. A range inside one block is all first.</summary>
    private (int First, int Last) Split(long offset, long length)
    {
        if (unit == 1) return (0, 0);
        var first = (int)Math.Min(length, (unit - (offset & (unit - 1))) & (unit - 1));
        // A range that ends in the block in which it begins has no other part.
        if (first == 0 && length < unit) return ((int)length, 0);
        return (first, (int)((length - first) & (unit - 1)));
    }

    private void WriteZeros(long offset, long length)
    {
        EnterShared();
        try
        {
            pieces.WriteZeros(offset, length);
        }
        finally
        {
            ExitShared();
        }
    }

    private void ReadInside(long offset, Span<byte> target)
    {
        using var block = PooledBuffer.Rent(unit);
        var start = Sectors.AlignDown(offset, unit);
        pieces.Read(start, block.Span);
        block.Span.Slice((int)(offset - start), target.Length).CopyTo(target);
    }

    private void WriteInside(long offset, ReadOnlySpan<byte> data, NbdCommandFlags flags)
    {
        using var block = PooledBuffer.Rent(unit);
        var start = Sectors.AlignDown(offset, unit);
        gate.EnterWriteLock();
        try
        {
            pieces.Read(start, block.Span);
            data.CopyTo(block.Span[(int)(offset - start)..]);
            pieces.Write(start, block.Span, flags);
        }
        finally
        {
            gate.ExitWriteLock();
        }
    }

    private void EnterShared()
    {
        if (unit > 1) gate.EnterReadLock();
    }

    private void ExitShared()
    {
        if (unit > 1) gate.ExitReadLock();
    }
}
