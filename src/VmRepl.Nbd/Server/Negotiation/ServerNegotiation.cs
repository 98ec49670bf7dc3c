using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging;
using VmRepl.Nbd.Transport;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Server;

/// <summary>
/// The first part of a connection, fixed newstyle: the client asks for this and that, and chooses an export. Bounded in time, in the number of options and in the bytes of each.
/// <para>
/// With TLS configured nothing is answered before it but the wish for it. TLS forgets all that was said before; what a client sends along with the wish, before it can have been
/// answered, was not protected, and ends the connection (the injection of CVE-2021-3716).
/// </para>
/// </summary>
internal sealed class ServerNegotiation(Socket socket, string peerName, INbdExports exports, NbdServerOptions options, ILogger log) : IDisposable
{
    private const int OptionHeadSize = 16;
    private const int ZeroesAfterExportName = 124;
    private const int NamesMax = 10_000;

    private readonly long startedMs = Environment.TickCount64;
    private ReceiveBuffer receive = null!;
    private OptionAnswers answers = null!;
    private NbdPeer peer = new(peerName, null);
    private bool isSecure;
    private bool hasStructuredReplies;
    private NbdHandshakeFlags clientFlags;
    private (string Name, INbdExport Export)? opened;
    private (string Name, IReadOnlyList<INbdContext> Contexts) contexts = ("", []);

    /// <summary>The connection, over TLS once that has begun.</summary>
    public INbdTransport Transport { get; private set; } = new SocketTransport(socket);

    /// <summary>What came behind the last option.</summary>
    public ReceiveBuffer Receive => receive;

    /// <returns>Null where the client went without an export.</returns>
    /// <exception cref="NbdClientException">It cannot be followed.</exception>
    /// <exception cref="IOException">The connection broke.</exception>
    public ChosenExport? Run()
    {
        receive = new ReceiveBuffer(Transport);
        answers = new OptionAnswers(Transport);
        Greet();
        for (var count = 0; count < NbdLimits.OptionsMax; count++)
        {
            if (!TryReadOption(out var option, out var data)) return null;
            try
            {
                if (Answer(option, data) is { } chosen) return chosen;
            }
            catch (InvalidOptionException e)
            {
                if (option == NbdOption.ExportName) throw new NbdClientException($"its option {option}: {e.Message}");
                answers.Refuse(option, e.Kind, e.Message);
            }

            if (option == NbdOption.Abort) return null;
        }

        throw new NbdClientException($"it sent {NbdLimits.OptionsMax} options and opened nothing");
    }

    public void Dispose()
    {
        opened?.Export.Dispose();
        opened = null;
    }

    /// <summary>Lets the export go to whoever serves it now.</summary>
    public void HandOver() => opened = null;

    private void Greet()
    {
        Span<byte> greeting = stackalloc byte[18];
        BinaryPrimitives.WriteUInt64BigEndian(greeting, NbdMagic.Server);
        BinaryPrimitives.WriteUInt64BigEndian(greeting[8..], NbdMagic.Option);
        BinaryPrimitives.WriteUInt16BigEndian(greeting[16..], (ushort)(NbdHandshakeFlags.FixedNewstyle | NbdHandshakeFlags.NoZeroes));
        Transport.Send(greeting);
        if (!Fill(4)) throw new IOException("it went without a word");
        var flags = BinaryPrimitives.ReadUInt32BigEndian(receive.Peek(4));
        receive.Skip(4);
        if ((flags & ~(uint)(NbdHandshakeFlags.FixedNewstyle | NbdHandshakeFlags.NoZeroes)) != 0) throw new NbdClientException($"its first flags, 0x{flags:x}, are unknown here");
        clientFlags = (NbdHandshakeFlags)flags;
    }

    private bool TryReadOption(out NbdOption option, out byte[] data)
    {
        (option, data) = (default, []);
        if (!Fill(OptionHeadSize)) return false;
        var head = receive.Peek(OptionHeadSize);
        var magic = BinaryPrimitives.ReadUInt64BigEndian(head);
        if (magic != NbdMagic.Option) throw new NbdClientException($"an option begins with 0x{magic:x16}, not with IHAVEOPT");
        option = (NbdOption)BinaryPrimitives.ReadUInt32BigEndian(head[8..]);
        var length = BinaryPrimitives.ReadUInt32BigEndian(head[12..]);
        receive.Skip(OptionHeadSize);
        if (length > NbdLimits.OptionBytesMax) throw new NbdClientException($"its option {(uint)option} has {length} bytes of data; {NbdLimits.OptionBytesMax} are the most");
        if (!Fill((int)length)) return false;
        data = receive.Peek((int)length).ToArray();
        receive.Skip((int)length);
        return true;
    }

    /// <summary>As <see cref="ReceiveBuffer.Fill"/>, with the deadline of the whole negotiation.</summary>
    private bool Fill(int count)
    {
        while (receive.Available < count)
        {
            var leftMs = (long)options.NegotiationMax.TotalMilliseconds - (Environment.TickCount64 - startedMs);
            if (leftMs <= 0) throw new IOException($"it opened nothing within {options.NegotiationMax.TotalSeconds} s");
            socket.ReceiveTimeout = (int)leftMs;
            if (!receive.Fill(receive.Available + 1)) return false;
        }

        return true;
    }

    /// <returns>What was chosen, once it is.</returns>
    private ChosenExport? Answer(NbdOption option, byte[] data)
    {
        if (options.Tls is not null && !isSecure && option is not (NbdOption.StartTls or NbdOption.Abort))
        {
            if (option == NbdOption.ExportName) throw new NbdClientException("it came without TLS, which this server asks for");
            throw new InvalidOptionException("this server asks for TLS first", NbdOptionReply.TlsRequired);
        }

        switch (option)
        {
            case NbdOption.ExportName:
                return ChooseByName(data);
            case NbdOption.Abort:
                answers.Send(option, NbdOptionReply.Ack);
                return null;
            case NbdOption.List:
                if (data.Length > 0) throw new InvalidOptionException("a list takes no data");
                foreach (var name in exports.Names(peer).Take(NamesMax)) answers.SendName(name);
                answers.Send(option, NbdOptionReply.Ack);
                return null;
            case NbdOption.StartTls:
                StartTls(data);
                return null;
            case NbdOption.StructuredReply:
                if (data.Length > 0) throw new InvalidOptionException("structured replies take no data");
                hasStructuredReplies = true;
                answers.Send(option, NbdOptionReply.Ack);
                return null;
            case NbdOption.ListMetaContext:
            case NbdOption.SetMetaContext:
                AnswerContexts(option, data);
                return null;
            case NbdOption.Info:
            case NbdOption.Go:
                return Tell(option, data);
            default:
                throw new InvalidOptionException($"option {(uint)option} is unknown here", NbdOptionReply.Unsupported);
        }
    }

    private void StartTls(byte[] data)
    {
        const NbdOption option = NbdOption.StartTls;
        if (data.Length > 0) throw new InvalidOptionException("STARTTLS takes no data");
        if (options.Tls is null) throw new InvalidOptionException("this server has no certificates", NbdOptionReply.Policy);
        if (isSecure) throw new InvalidOptionException("this is TLS already");
        if (receive.Available > 0) throw new NbdClientException("it sent on in the clear behind its wish for TLS");
        answers.Send(option, NbdOptionReply.Ack);
        var secured = new TlsTransport(socket, options.Tls);
        Transport = secured;
        peer = peer with { Certificate = secured.Certificate };
        (receive, answers) = (new ReceiveBuffer(secured), new OptionAnswers(secured));
        (isSecure, hasStructuredReplies, contexts) = (true, false, ("", []));
        Dispose();
    }

    private void AnswerContexts(NbdOption option, byte[] data)
    {
        if (!hasStructuredReplies) throw new InvalidOptionException("contexts need structured replies, which were not asked for");
        var reading = new OptionData(data);
        var name = reading.Text();
        var count = reading.Number();
        // Each has a length of four bytes: a count that cannot be true reserves nothing.
        if (count > reading.Left / 4) throw new InvalidOptionException($"{count} queries do not fit in {reading.Left} bytes");
        var queries = new List<string>((int)count);
        for (var i = 0; i < count; i++) queries.Add(reading.Text());
        reading.End();
        var export = Open(name);
        if (option == NbdOption.ListMetaContext)
        {
            foreach (var found in ContextQueries.List(export, queries)) answers.SendContext(option, 0, found);
        }
        else
        {
            var chosen = ContextQueries.Choose(export, queries).ToList();
            for (var i = 0; i < chosen.Count; i++) answers.SendContext(option, (uint)i + 1, chosen[i].Name);
            contexts = (name, [.. chosen.Select(c => c.Context)]);
        }

        answers.Send(option, NbdOptionReply.Ack);
    }

    private ChosenExport? Tell(NbdOption option, byte[] data)
    {
        var reading = new OptionData(data);
        var name = reading.Text();
        var count = reading.Short();
        if (reading.Left != count * 2) throw new InvalidOptionException($"{count} kinds do not fit {reading.Left} bytes");
        var kinds = new HashSet<NbdInfo>();
        for (var i = 0; i < count; i++) kinds.Add((NbdInfo)reading.Short());
        var export = Open(name);
        var facts = ExportFacts.Of(export, hasStructuredReplies);
        answers.SendExport(option, facts);
        answers.SendBlockSize(option, facts);
        if (kinds.Contains(NbdInfo.Name)) answers.SendText(option, NbdInfo.Name, name);
        if (kinds.Contains(NbdInfo.Description)) answers.SendText(option, NbdInfo.Description, export.Description);
        answers.Send(option, NbdOptionReply.Ack);
        return option == NbdOption.Go ? Choose(name, export, facts) : null;
    }

    private ChosenExport ChooseByName(byte[] data)
    {
        if (data.Length > NbdLimits.TextBytesMax) throw new InvalidOptionException($"a name of {data.Length} bytes is longer than {NbdLimits.TextBytesMax}");
        var name = Encoding.UTF8.GetString(data);
        var export = Open(name);
        var facts = ExportFacts.Of(export, hasStructuredReplies);
        var answer = new byte[10 + (clientFlags.HasFlag(NbdHandshakeFlags.NoZeroes) ? 0 : ZeroesAfterExportName)];
        BinaryPrimitives.WriteInt64BigEndian(answer, facts.Length);
        BinaryPrimitives.WriteUInt16BigEndian(answer.AsSpan(8), (ushort)facts.Flags);
        Transport.Send(answer);
        return Choose(name, export, facts);
    }

    private ChosenExport Choose(string name, INbdExport export, ExportFacts facts)
    {
        socket.ReceiveTimeout = 0;
        return new ChosenExport(name, export, facts, hasStructuredReplies, contexts.Name == name ? contexts.Contexts : []);
    }

    /// <summary>Opens it, unless the last one opened is the same: its contexts have to be those of the device that is then served.</summary>
    private INbdExport Open(string name)
    {
        if (opened is { } present)
        {
            if (present.Name == name) return present.Export;
            present.Export.Dispose();
            opened = null;
            contexts = ("", []);
        }

        try
        {
            var export = exports.Open(name, peer);
            opened = (name, export);
            return export;
        }
        catch (NbdRefusedException e)
        {
            ServerLog.NotOpened(log, peerName, Printable(name), e.Message);
            throw new InvalidOptionException(e.Message, e.IsPolicy ? NbdOptionReply.Policy : NbdOptionReply.Unknown);
        }
    }

    /// <summary>A client's words in a log line: no control characters, and not without end.</summary>
    private static string Printable(string name) => new([.. name.Take(200).Select(c => char.IsControl(c) ? '?' : c)]);
}
