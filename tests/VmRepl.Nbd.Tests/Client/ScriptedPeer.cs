using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Tests.Client;

/// <summary>The server's side of one connection: says what a test wants said, right or wrong, and is cut after so many bytes.</summary>
internal sealed class ScriptedPeer(Socket socket, int bytesMax)
{
    public const int DiskBytes = 1 << 20;

    public const NbdTransmissionFlags AllFlags = NbdTransmissionFlags.HasFlags | NbdTransmissionFlags.SendFlush | NbdTransmissionFlags.SendFua | NbdTransmissionFlags.SendTrim |
        NbdTransmissionFlags.SendWriteZeroes | NbdTransmissionFlags.SendFastZero | NbdTransmissionFlags.SendCache;

    public Socket Socket => socket;

    public int Sent { get; private set; }

    /// <summary>Options as they came.</summary>
    public List<(NbdOption Option, byte[] Data)> Options { get; } = [];

    public static byte[] Number(uint value) => [(byte)(value >> 24), (byte)(value >> 16), (byte)(value >> 8), (byte)value];

    public static byte[] Number(ulong value) => [.. Number((uint)(value >> 32)), .. Number((uint)value)];

    public static byte[] Short(int value) => [(byte)(value >> 8), (byte)value];

    public static byte[] ExportFact(ulong size, NbdTransmissionFlags flags = AllFlags) => [0, 0, .. Number(size), .. Short((ushort)flags)];

    public static byte[] BlockFact(uint minimum, uint preferred, uint maximum) => [0, 3, .. Number(minimum), .. Number(preferred), .. Number(maximum)];

    public static byte[] Context(uint number, string name) => [.. Number(number), .. Encoding.UTF8.GetBytes(name)];

    public void Send(params byte[] bytes)
    {
        var allowed = Math.Min(bytes.Length, bytesMax - Sent);
        for (var done = 0; done < allowed;) done += socket.Send(bytes, done, allowed - done, SocketFlags.None);
        Sent += allowed;
        if (allowed < bytes.Length) throw new EndOfStreamException("cut");
    }

    public byte[] Receive(int count)
    {
        var bytes = new byte[count];
        for (var done = 0; done < count;)
        {
            var received = socket.Receive(bytes, done, count - done, SocketFlags.None);
            if (received == 0) throw new EndOfStreamException();
            done += received;
        }

        return bytes;
    }

    /// <summary>Greets, and takes the client's flags.</summary>
    public NbdHandshakeFlags Greet(NbdHandshakeFlags flags = NbdHandshakeFlags.FixedNewstyle | NbdHandshakeFlags.NoZeroes)
    {
        Send([.. Number(NbdMagic.Server), .. Number(NbdMagic.Option), .. Short((ushort)flags)]);
        return (NbdHandshakeFlags)BinaryPrimitives.ReadUInt32BigEndian(Receive(4));
    }

    public (NbdOption Option, byte[] Data) ReadOption()
    {
        var head = Receive(16);
        Assert.That(BinaryPrimitives.ReadUInt64BigEndian(head), Is.EqualTo(NbdMagic.Option));
        var option = ((NbdOption)BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(8)), Receive(BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(12))));
        Options.Add(option);
        return option;
    }

    public void Reply(NbdOption option, NbdOptionReply kind, params byte[] data) => Send([.. Number(NbdMagic.OptionReply), .. Number((uint)option), .. Number((uint)kind), .. Number((uint)data.Length), .. data]);

    /// <summary>A whole negotiation by a server that knows everything but what is in <paramref name="unsupported"/>.</summary>
    public void Open(byte[]? export = null, byte[]? sizes = null, string[]? contexts = null, NbdOption[]? unsupported = null)
    {
        Greet();
        while (true)
        {
            var (option, _) = ReadOption();
            if (unsupported?.Contains(option) == true)
            {
                Reply(option, NbdOptionReply.Unsupported, "not here"u8.ToArray());
                continue;
            }

            switch (option)
            {
                case NbdOption.ListMetaContext:
                    foreach (var name in (contexts ?? []).Where(name => Encoding.UTF8.GetString(Options[^1].Data).Contains(name[..(name.LastIndexOf(':') + 1)], StringComparison.Ordinal))) Reply(option, NbdOptionReply.MetaContext, Context(0, name));
                    break;
                case NbdOption.SetMetaContext:
                    foreach (var (number, name) in (contexts ?? [NbdContextNames.Allocation]).Index()) Reply(option, NbdOptionReply.MetaContext, Context((uint)number + 7, name));
                    break;
                case NbdOption.Go:
                    Reply(option, NbdOptionReply.Info, export ?? ExportFact(DiskBytes));
                    if (sizes is not null) Reply(option, NbdOptionReply.Info, sizes);
                    Reply(option, NbdOptionReply.Ack);
                    return;
                case NbdOption.ExportName:
                    Send((export ?? ExportFact(DiskBytes))[2..]);
                    return;
            }

            Reply(option, NbdOptionReply.Ack);
        }
    }

    public NbdRequest ReadRequest() => ReadRequest(out _);

    public NbdRequest ReadRequest(out byte[] data)
    {
        Assert.That(NbdRequest.TryRead(Receive(NbdRequest.Size), out var request), Is.True);
        data = request.Command == NbdCommand.Write ? Receive((int)request.Length) : [];
        return request;
    }

    public void Simple(ulong cookie, NbdError error = NbdError.None, params byte[] data) => Send([.. Number(NbdMagic.SimpleReply), .. Number((uint)error), .. Number(cookie), .. data]);

    public void Chunk(ulong cookie, NbdChunk kind, bool isLast, params byte[] data) => Head(cookie, kind, isLast, (uint)data.Length, data);

    /// <summary>A chunk that need not have as many bytes as it says.</summary>
    public void Head(ulong cookie, NbdChunk kind, bool isLast, uint length, params byte[] data) =>
        Send([.. Number(NbdMagic.StructuredReply), .. Short(isLast ? 1 : 0), .. Short((ushort)kind), .. Number(cookie), .. Number(length), .. data]);

    public static byte[] Error(NbdError error, string sentence) => [.. Number((uint)error), .. Short(Encoding.UTF8.GetByteCount(sentence)), .. Encoding.UTF8.GetBytes(sentence)];

    public static byte[] Extents(uint context, params (uint Length, uint Flags)[] extents) => [.. Number(context), .. extents.SelectMany(extent => (byte[])[.. Number(extent.Length), .. Number(extent.Flags)])];

    /// <summary>Serves an array until the client ends; a stand-in for a whole server.</summary>
    public void Serve(byte[] disk, List<NbdRequest> seen)
    {
        while (true)
        {
            var request = ReadRequest(out var data);
            lock (seen) seen.Add(request);
            var (offset, length) = ((int)request.Offset, (int)request.Length);
            switch (request.Command)
            {
                case NbdCommand.Disconnect:
                    return;
                case NbdCommand.Read:
                    Chunk(request.Cookie, NbdChunk.OffsetData, true, [.. Number(request.Offset), .. disk.AsSpan(offset, length)]);
                    continue;
                case NbdCommand.Write:
                    data.CopyTo(disk, offset);
                    break;
                case NbdCommand.WriteZeroes:
                    disk.AsSpan(offset, length).Clear();
                    break;
            }

            Simple(request.Cookie);
        }
    }
}
