using System.Buffers.Binary;
using VmRepl.Blocks;
using VmRepl.Protocol.MessagePack;
using VmRepl.Protocol.Messages;

namespace VmRepl.Protocol.Connections;

/// <summary>
/// Messages over a transport, one a frame: the body's length, its CRC-32C, the body. Any number of callers may send, one receives.
/// </summary>
/// <remarks>
/// States: before the welcome (bodies of 64 KiB at most), open, failed. A send that broke off or was cancelled has left half a frame behind, and a
/// stream that did not parse has no next frame: a connection that failed in a direction stays failed in it. A receive that is cancelled loses
/// nothing and may be repeated, as far as the transport allows that.
/// </remarks>
public sealed class FramedConnection(ITransport transport) : IAsyncDisposable
{
    private const int ReceiveBufferBytes = 256 * 1024;
    private const int KeepSendBufferBytes = 4 * 1024 * 1024;
    private const int MessageTypes = 256;

    // Not pooled: a receive may still be writing into it when the connection is disposed.
    private readonly byte[] received = GC.AllocateUninitializedArray<byte>(ReceiveBufferBytes);
    private readonly MessagePackWriter sending = new(4096);
    private readonly SemaphoreSlim sendLock = new(1, 1);
    private readonly long[] sentByType = new long[MessageTypes];
    private readonly long[] receivedByType = new long[MessageTypes];
    private int receivedStart;
    private int receivedEnd;
    private PooledBuffer? body;
    private int bodyLength;
    private int bodyFilled;
    private uint bodyChecksum;
    private long bytesSent;
    private long bytesReceived;
    private volatile bool hasSentHello;
    private volatile int maxBodyBytes = FrameLimits.MaxBeforeWelcomeBytes;
    private Exception? sendFailure;
    private Exception? receiveFailure;
    private bool isDisposed;

    public string Peer => transport.Peer;

    /// <summary>Bytes of frames handed to the transport, heads included.</summary>
    public long BytesSent => Interlocked.Read(ref bytesSent);

    /// <summary>Bytes of whole frames received, heads included.</summary>
    public long BytesReceived => Interlocked.Read(ref bytesReceived);

    /// <summary>Bytes of frames with messages of that type handed to the transport, heads included.</summary>
    public long BytesSentBy(MessageType type) => Interlocked.Read(ref sentByType[(byte)type]);

    /// <summary>Bytes of frames with messages of that type received, heads included.</summary>
    public long BytesReceivedBy(MessageType type) => Interlocked.Read(ref receivedByType[(byte)type]);

    /// <summary>Sends one message; returns when the transport has taken all of it.</summary>
    /// <exception cref="ArgumentException">The message does not fit a frame or breaks its own rules; nothing was sent.</exception>
    /// <exception cref="ConnectionLostException">The way broke, now or at an earlier send.</exception>
    public async ValueTask SendAsync(IMessage message, CancellationToken cancellation = default)
    {
        await sendLock.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            if (isDisposed) throw new ConnectionLostException(Peer, "it was closed on this side");
            if (sendFailure is not null) throw new ConnectionLostException(Peer, "an earlier message was not sent whole", sendFailure);
            Encode(message);
            if (message.Type == MessageType.Hello) hasSentHello = true;
            // Before it is on its way: the peer may answer sooner than we are back from sending.
            if (message.Type == MessageType.Welcome) maxBodyBytes = FrameLimits.MaxBodyBytes;
            var frame = sending.WrittenMemory;
            try
            {
                await transport.SendAsync(frame, cancellation).ConfigureAwait(false);
            }
            catch (Exception fault)
            {
                sendFailure = fault;
                throw;
            }

            Interlocked.Add(ref bytesSent, frame.Length);
            Interlocked.Add(ref sentByType[(byte)message.Type], frame.Length);
        }
        finally
        {
            if (!isDisposed) sending.Reset(KeepSendBufferBytes);
            sendLock.Release();
        }
    }

    /// <summary>Waits for the next message. Its payloads are parts of memory that belongs to it alone, until it is disposed (<see cref="PayloadMessage"/>).</summary>
    /// <returns>Null when the peer closed after a whole frame.</returns>
    /// <exception cref="ConnectionLostException">The way broke, or ended inside a frame.</exception>
    /// <exception cref="ProtocolException">The frame or the message in it is damaged or hostile.</exception>
    public async ValueTask<IMessage?> ReceiveAsync(CancellationToken cancellation = default)
    {
        if (receiveFailure is not null) throw new ConnectionLostException(Peer, "what came earlier could not be read", receiveFailure);
        try
        {
            if (body is null && !await ReceiveHeadAsync(cancellation).ConfigureAwait(false)) return null;
            await ReceiveBodyAsync(cancellation).ConfigureAwait(false);
            return Decode();
        }
        catch (Exception fault) when (fault is not OperationCanceledException)
        {
            receiveFailure = fault;
            throw;
        }
    }

    /// <summary>
    /// Says a last thing and waits, as long as it may, until the peer has closed; what still comes is thrown away. Closing at once instead would
    /// make TCP reset the connection where anything came that nobody read, and the reset may overtake the last message. Nobody else may be
    /// receiving, and the connection still has to be disposed. That the peer did not hear is no error here.
    /// </summary>
    public async ValueTask FinishAsync(IMessage last, CancellationToken deadline)
    {
        receiveFailure ??= new ConnectionLostException(Peer, "it was finished on this side");
        try
        {
            await SendAsync(last, deadline).ConfigureAwait(false);
            for (long thrownAway = 0; thrownAway < FrameLimits.MaxBodyBytes;)
            {
                var count = await transport.ReceiveAsync(received, deadline).ConfigureAwait(false);
                if (count == 0) return;
                thrownAway += count;
            }
        }
        catch (Exception fault) when (fault is IOException or OperationCanceledException or InvalidOperationException)
        {
            // The last word is a courtesy: whatever made it the last one stands without it.
        }
    }

    /// <summary>Ends the connection, and with it what is under way on it.</summary>
    public async ValueTask DisposeAsync()
    {
        await transport.DisposeAsync().ConfigureAwait(false);
        // A send that was under way has ended by now or is about to; its buffer must not go back to the pool before.
        await sendLock.WaitAsync().ConfigureAwait(false);
        isDisposed = true;
        sending.Dispose();
        sendLock.Release();
    }

    private void Encode(IMessage message)
    {
        sending.Reset();
        sending.Reserve(FrameLimits.HeadBytes);
        message.WriteTo(sending);
        var length = sending.Length - FrameLimits.HeadBytes;
        if (length > FrameLimits.MaxBodyBytes) throw new ArgumentException($"a {message.Type} of {length} bytes, {FrameLimits.MaxBodyBytes} is the most", nameof(message));
        var checksum = Crc32C.Compute(sending.WrittenSpan[FrameLimits.HeadBytes..]);
        BinaryPrimitives.WriteInt32BigEndian(sending.Written(FrameLimits.LengthOffset, sizeof(int)), length);
        BinaryPrimitives.WriteUInt32BigEndian(sending.Written(FrameLimits.ChecksumOffset, sizeof(uint)), checksum);
    }

    // False at an orderly end. Otherwise the body's memory is there and holds what had come already.
    private async ValueTask<bool> ReceiveHeadAsync(CancellationToken cancellation)
    {
        while (receivedEnd - receivedStart < FrameLimits.HeadBytes)
        {
            if (receivedStart > 0)
            {
                received.AsSpan(receivedStart, receivedEnd - receivedStart).CopyTo(received);
                receivedEnd -= receivedStart;
                receivedStart = 0;
            }

            var count = await transport.ReceiveAsync(received.AsMemory(receivedEnd), cancellation).ConfigureAwait(false);
            if (count == 0)
                return receivedEnd == receivedStart ? false : throw new ConnectionLostException(Peer, $"it ended {receivedEnd - receivedStart} bytes into a frame");
            receivedEnd += count;
        }

        var head = received.AsSpan(receivedStart, FrameLimits.HeadBytes);
        var length = BinaryPrimitives.ReadUInt32BigEndian(head[FrameLimits.LengthOffset..]);
        if (length == 0 || length > maxBodyBytes) throw new ProtocolException("frame length", FrameLimits.LengthOffset, $"1 to {maxBodyBytes}", $"{length}");
        bodyChecksum = BinaryPrimitives.ReadUInt32BigEndian(head[FrameLimits.ChecksumOffset..]);
        receivedStart += FrameLimits.HeadBytes;
        bodyLength = (int)length;
        bodyFilled = Math.Min(bodyLength, receivedEnd - receivedStart);
        body = PooledBuffer.Rent(bodyLength);
        received.AsSpan(receivedStart, bodyFilled).CopyTo(body.Span);
        receivedStart += bodyFilled;
        return true;
    }

    private async ValueTask ReceiveBodyAsync(CancellationToken cancellation)
    {
        while (bodyFilled < bodyLength)
        {
            var missing = bodyLength - bodyFilled;
            // A large rest goes straight to its place; a small one comes through the buffer together with what follows it.
            if (missing >= ReceiveBufferBytes / 4)
            {
                var count = await transport.ReceiveAsync(body!.Memory[bodyFilled..], cancellation).ConfigureAwait(false);
                bodyFilled += count > 0 ? count : throw CutInside();
                continue;
            }

            receivedStart = 0;
            receivedEnd = 0;
            receivedEnd = await transport.ReceiveAsync(received, cancellation).ConfigureAwait(false);
            if (receivedEnd == 0) throw CutInside();
            receivedStart = Math.Min(missing, receivedEnd);
            received.AsSpan(0, receivedStart).CopyTo(body!.Span[bodyFilled..]);
            bodyFilled += receivedStart;
        }
    }

    private ConnectionLostException CutInside() => new(Peer, $"it ended {FrameLimits.HeadBytes + bodyFilled} bytes into a frame of {FrameLimits.HeadBytes + bodyLength}");

    private IMessage Decode()
    {
        var frame = body!;
        body = null;
        var computed = Crc32C.Compute(frame.Span);
        if (computed != bodyChecksum) throw new ProtocolException("frame checksum", FrameLimits.ChecksumOffset, $"{bodyChecksum:x8}", $"{computed:x8}");
        var message = MessageCodec.Read(frame.Memory);
        // All but these have copied what they keep.
        if (message is PayloadMessage keeper) keeper.Own(frame);
        else frame.Dispose();
        if (message.Type == MessageType.Welcome)
        {
            // Only whoever said hello may be welcomed, or a stranger could lift the bound that holds for strangers.
            if (!hasSentHello) throw new ProtocolException("message type", 0, "no welcome, there was no hello", $"{message.Type}");
            maxBodyBytes = FrameLimits.MaxBodyBytes;
        }

        Interlocked.Add(ref bytesReceived, FrameLimits.HeadBytes + bodyLength);
        Interlocked.Add(ref receivedByType[(byte)message.Type], FrameLimits.HeadBytes + bodyLength);
        return message;
    }
}
