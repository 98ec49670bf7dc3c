using System.Buffers;
using System.Net.Sockets;

namespace VmRepl.Hypervisors.Qmp;

/// <summary>Reads lines of bounded length from a socket. One reader at a time.</summary>
internal sealed class LineReader(Socket socket, int lineBytesMax)
{
    private readonly byte[] chunk = new byte[4096];
    private readonly ArrayBufferWriter<byte> line = new();
    private int from, to;

    /// <summary>The next line without its end, valid until the next call; null at the end of the stream.</summary>
    /// <exception cref="QmpException">The line is longer than the bound.</exception>
    public async ValueTask<ReadOnlyMemory<byte>?> ReadAsync(CancellationToken cancellation)
    {
        line.ResetWrittenCount();
        while (true)
        {
            if (from == to)
            {
                from = 0;
                to = await socket.ReceiveAsync(chunk, cancellation);
                if (to == 0) return null;
            }

            var end = chunk.AsSpan(from, to - from).IndexOf((byte)'\n');
            var taken = chunk.AsSpan(from, end < 0 ? to - from : end);
            if (line.WrittenCount + taken.Length > lineBytesMax) throw new QmpException(null, $"a line is longer than {lineBytesMax} bytes");
            line.Write(taken);
            from += taken.Length + (end < 0 ? 0 : 1);
            if (end >= 0) return line.WrittenMemory;
        }
    }
}
