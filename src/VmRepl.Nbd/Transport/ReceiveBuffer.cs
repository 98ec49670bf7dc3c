namespace VmRepl.Nbd.Transport;

/// <summary>What came from a client and is not used yet: one system call brings in many requests.</summary>
internal sealed class ReceiveBuffer(INbdTransport transport)
{
    /// <summary>Bytes; a request with a payload of up to <see cref="WholeBytesMax"/> can lie in it in one piece.</summary>
    public const int Capacity = 128 << 10;

    public const int WholeBytesMax = 64 << 10;

    private readonly byte[] bytes = GC.AllocateUninitializedArray<byte>(Capacity, pinned: true);
    private int start;
    private int end;

    public int Available => end - start;

    /// <summary>The next bytes, which are there already. Good until the next <see cref="Fill"/>.</summary>
    public ReadOnlySpan<byte> Peek(int count) => bytes.AsSpan(start, count);

    public void Skip(int count) => start += count;

    /// <summary>Waits until that many bytes are there; takes whatever comes with them.</summary>
    /// <returns>False where the client ended before.</returns>
    /// <exception cref="IOException">The connection broke.</exception>
    public bool Fill(int count)
    {
        if (start == end) (start, end) = (0, 0);
        while (Available < count)
        {
            if (start + count > Capacity)
            {
                bytes.AsSpan(start, Available).CopyTo(bytes);
                (start, end) = (0, Available);
            }

            var received = transport.Receive(bytes.AsSpan(end));
            if (received == 0) return false;
            end += received;
        }

        return true;
    }

    /// <summary>As <see cref="Fill"/> and <see cref="Skip"/>, of any length, into memory of the caller's.</summary>
    public bool ReadExactly(Span<byte> target)
    {
        var here = Math.Min(target.Length, Available);
        Peek(here).CopyTo(target);
        Skip(here);
        for (target = target[here..]; target.Length > 0;)
        {
            var received = transport.Receive(target);
            if (received == 0) return false;
            target = target[received..];
        }

        return true;
    }

    /// <summary>Reads past bytes that nobody wants.</summary>
    public bool Discard(long count)
    {
        while (count > 0)
        {
            if (Available == 0 && !Fill(1)) return false;
            var here = (int)Math.Min(count, Available);
            Skip(here);
            count -= here;
        }

        return true;
    }

    /// <summary>Another buffer that goes on where this one stands. This one is then left alone, so that what was peeked stays good.</summary>
    public ReceiveBuffer Continue()
    {
        var next = new ReceiveBuffer(transport);
        Peek(Available).CopyTo(next.bytes);
        next.end = Available;
        return next;
    }
}
