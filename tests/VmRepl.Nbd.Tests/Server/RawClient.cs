using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Tests.Server;

/// <summary>A client that says what a test wants said, right or wrong.</summary>
internal sealed class RawClient : IDisposable
{
    public RawClient(string path)
    {
        Socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = 10_000, SendTimeout = 10_000 };
        Socket.Connect(new UnixDomainSocketEndPoint(path));
    }

    public Socket Socket { get; }

    /// <summary>A client that has opened the export.</summary>
    public static RawClient Opened(string path, bool structured = true)
    {
        var client = new RawClient(path);
        client.Greet();
        if (structured) Assert.That(client.Ask(NbdOption.StructuredReply, []).Kind, Is.EqualTo(NbdOptionReply.Ack));
        client.Send(Option(NbdOption.Go, GoData("disk")));
        while (client.ReadOptionReply().Kind != NbdOptionReply.Ack)
        {
        }

        return client;
    }

    public static byte[] Option(NbdOption option, byte[] data)
    {
        var bytes = new byte[16 + data.Length];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, NbdMagic.Option);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(8), (uint)option);
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(12), data.Length);
        data.CopyTo(bytes, 16);
        return bytes;
    }

    /// <summary>A name and no kinds.</summary>
    public static byte[] GoData(string name) => [.. Text(name), 0, 0];

    public static byte[] Text(string text) => [.. Number((uint)Encoding.UTF8.GetByteCount(text)), .. Encoding.UTF8.GetBytes(text)];

    public static byte[] Number(uint value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        return bytes;
    }

    public static byte[] Request(NbdCommand command, ulong cookie, ulong offset, uint length, NbdCommandFlags flags = NbdCommandFlags.None)
    {
        var bytes = new byte[NbdRequest.Size];
        new NbdRequest(flags, command, cookie, offset, length).Write(bytes);
        return bytes;
    }

    public void Greet()
    {
        var greeting = Receive(18);
        Assert.That(BinaryPrimitives.ReadUInt64BigEndian(greeting), Is.EqualTo(NbdMagic.Server));
        Send(Number(3));
    }

    public void Send(params byte[] bytes)
    {
        for (var sent = 0; sent < bytes.Length;) sent += Socket.Send(bytes, sent, bytes.Length - sent, SocketFlags.None);
    }

    public byte[] Receive(int count)
    {
        var bytes = new byte[count];
        for (var done = 0; done < count;)
        {
            var received = Socket.Receive(bytes, done, count - done, SocketFlags.None);
            if (received == 0) throw new EndOfStreamException($"the server ended after {done} of {count} bytes");
            done += received;
        }

        return bytes;
    }

    public (NbdOptionReply Kind, byte[] Data) Ask(NbdOption option, byte[] data)
    {
        Send(Option(option, data));
        return ReadOptionReply();
    }

    public (NbdOptionReply Kind, byte[] Data) ReadOptionReply()
    {
        var head = Receive(20);
        Assert.That(BinaryPrimitives.ReadUInt64BigEndian(head), Is.EqualTo(NbdMagic.OptionReply));
        return ((NbdOptionReply)BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(12)), Receive(BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(16))));
    }

    /// <summary>One simple reply, or one chunk.</summary>
    public RawReply ReadReply(int simpleDataBytes = 0)
    {
        var magic = BinaryPrimitives.ReadUInt32BigEndian(Receive(4));
        if (magic == NbdMagic.SimpleReply)
        {
            var rest = Receive(12);
            var error = (NbdError)BinaryPrimitives.ReadUInt32BigEndian(rest);
            return new RawReply(BinaryPrimitives.ReadUInt64BigEndian(rest.AsSpan(4)), error, NbdChunk.None, true, error == NbdError.None ? Receive(simpleDataBytes) : []);
        }

        Assert.That(magic, Is.EqualTo(NbdMagic.StructuredReply));
        var head = Receive(16);
        var kind = (NbdChunk)BinaryPrimitives.ReadUInt16BigEndian(head.AsSpan(2));
        var data = Receive(BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(12)));
        var failed = ((ushort)kind & 0x8000) != 0 ? (NbdError)BinaryPrimitives.ReadUInt32BigEndian(data) : NbdError.None;
        return new RawReply(BinaryPrimitives.ReadUInt64BigEndian(head.AsSpan(4)), failed, kind, (head[1] & 1) != 0, data);
    }

    /// <summary>Whether the server has ended the connection.</summary>
    public bool IsEnded()
    {
        try
        {
            var rest = new byte[64 << 10];
            while (Socket.Receive(rest) > 0)
            {
            }

            return true;
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode is SocketError.ConnectionReset or SocketError.Shutdown;
        }
    }

    public void Dispose() => Socket.Dispose();
}
