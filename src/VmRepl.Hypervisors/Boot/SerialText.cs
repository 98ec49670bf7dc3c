using System.Net.Sockets;
using System.Text;

namespace VmRepl.Hypervisors.Boot;

/// <summary>What the guest writes to its serial port: the newest 64 KiB in memory, the first 16 MiB in a file for scripts. A guest may write for ever.</summary>
internal sealed class SerialText(Socket socket, string logFile)
{
    private const int WindowMax = 64 << 10, TailMax = 4 << 10;
    private const long LogBytesMax = 16 << 20;

    private readonly StringBuilder window = new();

    /// <summary>Reads until the socket ends.</summary>
    /// <param name="onText">Called after each piece with the window; returns nothing and must not wait.</param>
    public async Task ReadAsync(Action<string> onText, CancellationToken cancellation)
    {
        var buffer = new byte[8192];
        var decoder = Encoding.UTF8.GetDecoder();
        var text = new char[Encoding.UTF8.GetMaxCharCount(buffer.Length)];
        await using var log = new FileStream(logFile, FileMode.CreateNew, FileAccess.Write, FileShare.Read, bufferSize: 0);
        try
        {
            while (await socket.ReceiveAsync(buffer, cancellation) is > 0 and var got)
            {
                if (log.Length + got <= LogBytesMax) await log.WriteAsync(buffer.AsMemory(0, got), cancellation);
                var count = decoder.GetChars(buffer.AsSpan(0, got), text, flush: false);
                string now;
                lock (window)
                {
                    window.Append(text, 0, count);
                    if (window.Length > WindowMax) window.Remove(0, window.Length - WindowMax);
                    now = window.ToString();
                }

                onText(now);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // The VM is gone; what was read stays.
        }
    }

    public string Tail()
    {
        lock (window)
        {
            var text = window.ToString(Math.Max(0, window.Length - TailMax), Math.Min(window.Length, TailMax));
            return new string([.. text.Where(c => c != '\r').Select(c => char.IsControl(c) && c != '\n' && c != '\t' ? '?' : c)]);
        }
    }
}
