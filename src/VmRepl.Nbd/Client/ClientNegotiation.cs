using System.Buffers.Binary;
using System.Security.Authentication;
using System.Text;
using VmRepl.Nbd.Transport;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Client;

/// <summary>
/// The first part of a connection, fixed newstyle, in this order: greeting, TLS where the caller asks for it, structured replies, contexts, the export. What a server refuses is done without;
/// TLS never is. A server that is newstyle but not "fixed" understands nothing but the export's name.
/// <para>Everything that is said before TLS may come from anybody: nothing but the greeting is, and bytes that came along with the answer to the wish for TLS end the connection.</para>
/// </summary>
internal sealed class ClientNegotiation(ClientTransport transport, string peer, NbdClientOptions options)
{
    private const int GreetingSize = 18, OldstyleSize = 16;
    private const int ZeroesAfterExportName = 124;
    private const int ExportsMax = 10_000;
    private const long ListBytesMax = 16 << 20;

    private readonly OptionExchange exchange = new(transport, peer);
    private NbdHandshakeFlags flags;

    /// <summary>What came behind the last answer; requests go on with it.</summary>
    public ReceiveBuffer Receive => exchange.Receive;

    private bool IsFixed => flags.HasFlag(NbdHandshakeFlags.FixedNewstyle);

    /// <exception cref="NbdException">The server refused, went away or broke the protocol.</exception>
    /// <exception cref="IOException">The connection broke.</exception>
    public OpenedExport Open(string export)
    {
        var name = Encoding.UTF8.GetBytes(export);
        if (name.Length > NbdLimits.TextBytesMax) throw new ArgumentException($"An export's name has at most {NbdLimits.TextBytesMax} bytes.", nameof(export));
        Begin();
        if (!IsFixed) return ByName(export, name, hasStructuredReplies: false, ContextAnswers.None);
        var structured = exchange.Ask(NbdOption.StructuredReply);
        ThrowIfTlsRequired(structured);
        var contexts = structured.IsError ? ContextAnswers.None : AskForContexts(name);
        exchange.Send(NbdOption.Go, [.. Sized(name), 0, 1, 0, (byte)NbdInfo.BlockSize]);
        var answers = new ExportAnswers(exchange);
        for (var count = 0; count < NbdLimits.OptionsMax; count++)
        {
            var reply = exchange.Next(NbdOption.Go);
            if (reply.Kind == NbdOptionReply.Unsupported) return ByName(export, name, !structured.IsError, contexts);
            ThrowIfTlsRequired(reply);
            if (reply.IsError) throw exchange.Broken($"it does not open \"{export}\": {reply.Told}");
            if (reply.Kind != NbdOptionReply.Ack) answers.Add(reply);
            else return answers.Finish(export, !structured.IsError, contexts);
        }

        throw exchange.Broken($"it answered {NbdOption.Go} {NbdLimits.OptionsMax} times without an end");
    }

    /// <summary>As <see cref="Open"/>, of the names that the server tells; the connection is of no use afterwards.</summary>
    public IReadOnlyList<NbdListedExport> List()
    {
        Begin();
        if (!IsFixed) throw exchange.Broken("it is not fixed newstyle, and lists nothing");
        exchange.Send(NbdOption.List);
        var (listed, bytes) = (new List<NbdListedExport>(), 0L);
        while (true)
        {
            var reply = exchange.Next(NbdOption.List);
            ThrowIfTlsRequired(reply);
            if (reply.IsError) throw exchange.Broken($"it lists nothing: {reply.Told}");
            if (reply.Kind == NbdOptionReply.Ack) break;
            if (reply.Kind != NbdOptionReply.Server) throw exchange.Broken($"it answered {NbdOption.List} with {reply.Kind} where {NbdOptionReply.Server} was expected");
            var length = reply.Body.Length < 4 ? uint.MaxValue : BinaryPrimitives.ReadUInt32BigEndian(reply.Body);
            if (length > reply.Body.Length - 4) throw exchange.Broken($"a listed name of {length} bytes does not fit its answer of {reply.Body.Length}");
            if (listed.Count == ExportsMax || (bytes += reply.Body.Length) > ListBytesMax) throw exchange.Broken($"it lists more than {ExportsMax} exports or {ListBytesMax} bytes");
            listed.Add(new NbdListedExport(Encoding.UTF8.GetString(reply.Body, 4, (int)length), ServerText.Of(reply.Body.AsSpan(4 + (int)length))));
        }

        exchange.Send(NbdOption.Abort);
        return listed;
    }

    private void Begin()
    {
        var first = BinaryPrimitives.ReadUInt64BigEndian(exchange.Take(8, "the greeting"));
        if (first != NbdMagic.Server) throw exchange.Broken($"it greets with 0x{first:x16}, not with NBDMAGIC (0x{NbdMagic.Server:x16})");
        var second = BinaryPrimitives.ReadUInt64BigEndian(exchange.Take(OldstyleSize - 8, "the greeting"));
        if (second == NbdMagic.Oldstyle) throw exchange.Broken("it speaks the oldstyle protocol, which is not spoken here");
        if (second != NbdMagic.Option) throw exchange.Broken($"its greeting goes on with 0x{second:x16}, not with IHAVEOPT (0x{NbdMagic.Option:x16})");
        flags = (NbdHandshakeFlags)BinaryPrimitives.ReadUInt16BigEndian(exchange.Take(GreetingSize - OldstyleSize, "the greeting")) & (NbdHandshakeFlags.FixedNewstyle | NbdHandshakeFlags.NoZeroes);
        Span<byte> answer = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(answer, (uint)flags);
        transport.Send(answer);
        if (options.Tls is not null) StartTls();
    }

    private void StartTls()
    {
        if (!IsFixed) throw exchange.Broken("it is not fixed newstyle, and has no TLS");
        var reply = exchange.Ask(NbdOption.StartTls);
        if (reply.IsError) throw exchange.Broken($"it has no TLS: {reply.Told}");
        if (Receive.Available > 0) throw exchange.Broken($"{Receive.Available} bytes in the clear came behind its consent to TLS");
        try
        {
            transport.StartTls(options.Tls!);
        }
        catch (AuthenticationException e)
        {
            throw new NbdException(peer, $"the TLS handshake failed: {(e.InnerException ?? e).Message}", e);
        }
    }

    private ContextAnswers AskForContexts(byte[] name)
    {
        var wanted = options.Contexts.Prepend(NbdContextNames.Allocation).Distinct().ToList();
        var beginnings = wanted.FindAll(query => query.EndsWith(':'));
        if (beginnings.Count == 0) return Exchange(NbdOption.SetMetaContext, name, wanted);
        // Servers know a beginning only where they are asked what there is.
        var found = Exchange(NbdOption.ListMetaContext, name, beginnings).Numbers.Keys;
        return Exchange(NbdOption.SetMetaContext, name, [.. wanted.Except(beginnings).Union(found)]);
    }

    private ContextAnswers Exchange(NbdOption option, byte[] name, List<string> queries)
    {
        exchange.Send(option, [.. Sized(name), .. Number((uint)queries.Count), .. queries.SelectMany(query => Sized(Encoding.UTF8.GetBytes(query)))]);
        var answers = new ContextAnswers(exchange, option, queries);
        while (true)
        {
            var reply = exchange.Next(option);
            ThrowIfTlsRequired(reply);
            // Whatever is wrong with the export, the answer to the wish to open it says better.
            if (reply.IsError) return ContextAnswers.None;
            if (reply.Kind == NbdOptionReply.Ack) return answers;
            answers.Add(reply);
        }
    }

    private OpenedExport ByName(string export, byte[] name, bool hasStructuredReplies, ContextAnswers contexts)
    {
        exchange.Send(NbdOption.ExportName, name);
        var told = exchange.Take(10, $"the size of \"{export}\" (which it may not have)");
        var answers = new ExportAnswers(exchange);
        answers.AddExport(told);
        if (!flags.HasFlag(NbdHandshakeFlags.NoZeroes)) exchange.Take(ZeroesAfterExportName, "the zeros behind the size");
        return answers.Finish(export, hasStructuredReplies, contexts);
    }

    private void ThrowIfTlsRequired(OptionReply reply)
    {
        if (reply.Kind == NbdOptionReply.TlsRequired) throw exchange.Broken($"it asks for TLS: {reply.Told}");
    }

    private static byte[] Sized(byte[] text) => [.. Number((uint)text.Length), .. text];

    private static byte[] Number(uint value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        return bytes;
    }
}
