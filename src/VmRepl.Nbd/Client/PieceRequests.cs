using VmRepl.Blocks;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Client;

/// <summary>Ranges of any length, in requests as long as the server takes them. All offsets and lengths are multiples of its least request.</summary>
internal sealed class PieceRequests(ClientConnection connection, OpenedExport export)
{
    /// <summary>Most bytes of one request without contents: short enough that a server which writes them is done within a request's time.</summary>
    private const long BareBytesMax = 64 << 20;

    private const long StatusBytesMax = 1 << 30;

    private static readonly byte[] Zeros = new byte[1 << 20];

    public void Read(long offset, Span<byte> target)
    {
        while (target.Length > 0)
        {
            var count = Math.Min(target.Length, export.Sizes.PayloadMax);
            connection.Read(offset, target[..count]);
            offset += count;
            target = target[count..];
        }
    }

    public void Write(long offset, ReadOnlySpan<byte> data, NbdCommandFlags flags)
    {
        while (data.Length > 0)
        {
            var count = Math.Min(data.Length, export.Sizes.PayloadMax);
            connection.Write(offset, data[..count], flags);
            offset += count;
            data = data[count..];
        }
    }

    /// <summary>Writes zeros that take their way over the wire.</summary>
    public void WriteZeros(long offset, long length)
    {
        while (length > 0)
        {
            var count = (int)Math.Min(length, Zeros.Length);
            Write(offset, Zeros.AsSpan(0, count), NbdCommandFlags.None);
            (offset, length) = (offset + count, length - count);
        }
    }

    /// <summary>Trim, write-zeroes or cache.</summary>
    public void Ask(NbdCommand command, NbdCommandFlags flags, long offset, long length)
    {
        while (length > 0)
        {
            var count = Math.Min(length, BareBytesMax);
            connection.Ask(command, flags, offset, count);
            (offset, length) = (offset + count, length - count);
        }
    }

    public void Flush() => connection.Ask(NbdCommand.Flush, NbdCommandFlags.None, 0, 0);

    /// <summary>Asks as it is enumerated. The range need not be aligned: it is widened, and what lies outside is left away.</summary>
    public IEnumerable<NbdExtent> Status(uint context, long offset, long length)
    {
        var (unit, end) = (export.Sizes.Minimum, offset + length);
        while (offset < end)
        {
            var start = Sectors.AlignDown(offset, unit);
            var count = Math.Min(Sectors.AlignUp(Math.Min(end - start, StatusBytesMax), unit), export.Length - start);
            var place = start;
            foreach (var extent in connection.Status(context, start, count))
            {
                var (from, until) = (Math.Max(place, offset), Math.Min(place + extent.Length, end));
                if (until > from) yield return new NbdExtent(until - from, extent.Flags);
                place += extent.Length;
            }

            offset = place;
        }
    }
}
