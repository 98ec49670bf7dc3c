using System.Buffers.Binary;
using System.Text;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Client;

/// <summary>The client's part of the handshake, fixed newstyle. The server is not trusted: every length is compared with a bound before anything is reserved for it.</summary>
internal sealed class ClientNegotiation(ClientStream stream, NbdClientOptions options)
{
    private const int BlockBytesMax = 1 << 16;
    private const int AnswersMax = 100_000;

    private bool hasStructuredReplies;

    /// <exception cref="NbdException">The server refused, or broke the protocol.</exception>
    public AgreedExport Open(string export)
    {
        var offered = Greet();
        var noZeroes = offered.HasFlag(NbdHandshakeFlags.NoZeroes);
        if (!offered.HasFlag(NbdHandshakeFlags.FixedNewstyle))
        {
            // The first newstyle: it cannot refuse an option, so nothing but a name may be asked for.
            if (options.Tls is not null) throw new NbdException(stream.Peer, "it has no TLS");
            return ByName(export, noZeroes);
        }

        SecureIfAsked();
        hasStructuredReplies = Ask(NbdOption.StructuredReply, [], (_, _) => { });
        var contexts = hasStructuredReplies ? ChooseContexts(export) : new Dictionary<uint, string>();
        return Go(export, contexts) ?? ByName(export, noZeroes);
    }

    /// <summary>The names of the exports; the server is then left.</summary>
    public IReadOnlyList<string> List()
    {
        if (!Greet().HasFlag(NbdHandshakeFlags.FixedNewstyle)) throw new NbdException(stream.Peer, "it does not list its exports");
        SecureIfAsked();
        var names = new List<string>();
        var listed = Ask(NbdOption.List, [], (kind, data) =>
        {
            if (kind != NbdOptionReply.Server || data.Length < 4) throw Broken("an answer to LIST", "a name", $"{kind} of {data.Length} bytes");
            var length = BinaryPrimitives.ReadUInt32BigEndian(data);
            if (length > data.Length - 4) throw Broken("an export's name", $"at most {data.Length - 4} bytes", $"{length}");
            names.Add(Encoding.UTF8.GetString(data.AsSpan(4, (int)length)));
        });
        if (!listed) throw new NbdException(stream.Peer, "it does not list its exports");
        Send(NbdOption.Abort, []);
        return names;
    }

    private NbdHandshakeFlags Greet()
    {
        Span<byte> greeting = stackalloc byte[16];
        stream.Receive(greeting);
        if (BinaryPrimitives.ReadUInt64BigEndian(greeting) != NbdMagic.Server) throw Broken("greeting", "NBDMAGIC", Convert.ToHexString(greeting[..8]));
        var second = BinaryPrimitives.ReadUInt64BigEndian(greeting[8..]);
        if (second == NbdMagic.Oldstyle) throw new NbdException(stream.Peer, "it speaks the oldstyle handshake, which names no export");
        if (second != NbdMagic.Option) throw Broken("greeting", "IHAVEOPT", Convert.ToHexString(greeting[8..]));
        Span<byte> flags = stackalloc byte[2];
        stream.Receive(flags);
        var offered = (NbdHandshakeFlags)BinaryPrimitives.ReadUInt16BigEndian(flags);
        offered &= NbdHandshakeFlags.FixedNewstyle | NbdHandshakeFlags.NoZeroes;
        Span<byte> answer = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(answer, (uint)offered);
        stream.Send(answer);
        return offered;
    }

    private void SecureIfAsked()
    {
        if (options.Tls is not { } tls) return;
        if (!Ask(NbdOption.StartTls, [], (_, _) => { })) throw new NbdException(stream.Peer, "it has no TLS");
        stream.StartTls(tls);
    }

    private Dictionary<uint, string> ChooseContexts(string export)
    {
        var chosen = new Dictionary<uint, string>();
        string[] asked = [.. options.Contexts.Prepend(NbdContextNames.Allocation).Distinct()];
        byte[] data = [.. Text(export), .. Number((uint)asked.Length), .. asked.SelectMany(Text)];
        // A server that refuses to speak of contexts may serve the export all the same.
        Ask(NbdOption.SetMetaContext, data, isOptional: true, take: (kind, answer) =>
        {
            if (kind != NbdOptionReply.MetaContext || answer.Length < 4) throw Broken("an answer to SET_META_CONTEXT", "a context", $"{kind} of {answer.Length} bytes");
            var name = Encoding.UTF8.GetString(answer.AsSpan(4));
            if (!asked.Contains(name)) throw Broken("a context", "one that was asked for", name.Length > 100 ? name[..100] : name);
            chosen[BinaryPrimitives.ReadUInt32BigEndian(answer)] = name;
        });
        return chosen;
    }

    /// <returns>Null where the server does not know GO.</returns>
    private AgreedExport? Go(string export, Dictionary<uint, string> contexts)
    {
        (long Length, NbdTransmissionFlags Flags)? told = null;
        var (least, most) = (1, NbdLimits.PayloadBytesMax);
        byte[] data = [.. Text(export), 0, 1, 0, (byte)NbdInfo.BlockSize];
        var known = Ask(NbdOption.Go, data, (kind, answer) =>
        {
            if (kind != NbdOptionReply.Info || answer.Length < 2) throw Broken("an answer to GO", "information", $"{kind} of {answer.Length} bytes");
            switch ((NbdInfo)BinaryPrimitives.ReadUInt16BigEndian(answer))
            {
                case NbdInfo.Export when answer.Length == 12:
                    told = (CheckLength(BinaryPrimitives.ReadUInt64BigEndian(answer.AsSpan(2))), (NbdTransmissionFlags)BinaryPrimitives.ReadUInt16BigEndian(answer.AsSpan(10)));
                    break;
                case NbdInfo.BlockSize when answer.Length == 14:
                    var (min, max) = (BinaryPrimitives.ReadUInt32BigEndian(answer.AsSpan(2)), BinaryPrimitives.ReadUInt32BigEndian(answer.AsSpan(10)));
                    if (min is 0 or > BlockBytesMax || (min & (min - 1)) != 0) throw Broken("the least block", $"a power of two up to {BlockBytesMax}", $"{min}");
                    if (max < min || max < 512) throw Broken("the greatest request", "at least 512 and the least block", $"{max}");
                    (least, most) = ((int)min, (int)Math.Min(max - (max % min), NbdLimits.PayloadBytesMax));
                    break;
            }
        });
        if (!known) return null;
        if (told is not { } facts) throw Broken("the answers to GO", "the export's size", "none");
        return new AgreedExport(facts.Length, facts.Flags, least, most, hasStructuredReplies, contexts);
    }

    private AgreedExport ByName(string export, bool noZeroes)
    {
        Send(NbdOption.ExportName, Encoding.UTF8.GetBytes(export));
        Span<byte> facts = stackalloc byte[10];
        stream.Receive(facts);
        if (!noZeroes) stream.Receive(new byte[124]);
        return new AgreedExport(CheckLength(BinaryPrimitives.ReadUInt64BigEndian(facts)), (NbdTransmissionFlags)BinaryPrimitives.ReadUInt16BigEndian(facts[8..]), 1, NbdLimits.PayloadBytesMax, hasStructuredReplies, new Dictionary<uint, string>());
    }

    private long CheckLength(ulong length)
    {
        if (length > long.MaxValue) throw Broken("the export's size", "at most 2^63-1", $"{length}");
        // A block device is made of sectors; rounding would hide the end of somebody's disk.
        return length % 512 == 0 ? (long)length : throw new NbdException(stream.Peer, $"the export has {length} bytes, which is no multiple of 512");
    }

    /// <summary>Asks for an option and takes every answer up to the last.</summary>
    /// <param name="isOptional">Whether a refusal is no more than an answer.</param>
    /// <returns>False where the server does not know the option, or refused one that is optional.</returns>
    /// <exception cref="NbdException">It refused it.</exception>
    private bool Ask(NbdOption option, byte[] data, Action<NbdOptionReply, byte[]> take, bool isOptional = false)
    {
        Send(option, data);
        var head = new byte[20];
        for (var count = 0; count < AnswersMax; count++)
        {
            stream.Receive(head);
            if (BinaryPrimitives.ReadUInt64BigEndian(head) != NbdMagic.OptionReply) throw Broken("an answer to an option", "its magic", Convert.ToHexString(head.AsSpan(0, 8)));
            var (answered, kind, length) = ((NbdOption)BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(8)), (NbdOptionReply)BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(12)), BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(16)));
            if (answered != option) throw Broken("an answer", $"one to {option}", $"one to {answered}");
            if (length > NbdLimits.OptionBytesMax) throw Broken("an answer to an option", $"at most {NbdLimits.OptionBytesMax} bytes", $"{length}");
            var answer = new byte[length];
            stream.Receive(answer);
            if (kind == NbdOptionReply.Ack) return true;
            if (kind == NbdOptionReply.Unsupported) return false;
            if (((uint)kind & 0x80000000) != 0 && isOptional) return false;
            if (((uint)kind & 0x80000000) != 0) throw new NbdException(stream.Peer, $"it refuses {option}: {kind}{Said(answer)}");
            take(kind, answer);
        }

        throw Broken("the answers to an option", $"at most {AnswersMax}", "more");
    }

    private void Send(NbdOption option, byte[] data)
    {
        var bytes = new byte[16 + data.Length];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, NbdMagic.Option);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(8), (uint)option);
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(12), data.Length);
        data.CopyTo(bytes, 16);
        stream.Send(bytes);
    }

    private NbdException Broken(string field, string expected, string found) => new(stream.Peer, $"{field}: expected {expected}, found {found}");

    private static string Said(byte[] sentence) => sentence.Length == 0 ? "" : $" ({Printable(sentence)})";

    /// <summary>What the server says to people, shortened and without control characters.</summary>
    internal static string Printable(ReadOnlySpan<byte> sentence) => new([.. Encoding.UTF8.GetString(sentence[..Math.Min(sentence.Length, 400)]).Select(c => char.IsControl(c) ? ' ' : c)]);

    private static byte[] Text(string text) => [.. Number((uint)Encoding.UTF8.GetByteCount(text)), .. Encoding.UTF8.GetBytes(text)];

    private static byte[] Number(uint value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        return bytes;
    }
}
