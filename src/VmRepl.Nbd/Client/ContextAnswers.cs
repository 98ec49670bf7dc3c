using System.Buffers.Binary;
using System.Text;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Client;

/// <summary>The block-status contexts that a server tells of or gives, with the numbers by which it will speak of them.</summary>
internal sealed class ContextAnswers(OptionExchange? exchange, NbdOption option, IReadOnlyList<string> queries)
{
    private const int ContextsMax = 32;

    private readonly Dictionary<string, uint> numbers = [];

    public static ContextAnswers None => new(null, default, []);

    public IReadOnlyDictionary<string, uint> Numbers => numbers;

    /// <exception cref="NbdException">It is not what was asked for.</exception>
    public void Add(OptionReply reply)
    {
        if (reply.Kind != NbdOptionReply.MetaContext) throw exchange!.Broken($"it answered {option} with {reply.Kind} where {NbdOptionReply.MetaContext} was expected");
        if (reply.Body.Length is < 5 or > 4 + NbdClientOptions.ContextBytesMax) throw exchange!.Broken($"a context of {reply.Body.Length} bytes; 5 to {4 + NbdClientOptions.ContextBytesMax} were expected");
        var number = BinaryPrimitives.ReadUInt32BigEndian(reply.Body);
        var name = Encoding.UTF8.GetString(reply.Body.AsSpan(4));
        if (!queries.Any(query => query == name || (query.EndsWith(':') && name.StartsWith(query, StringComparison.Ordinal)))) throw exchange!.Broken($"it gives the context \"{ServerText.Of(reply.Body.AsSpan(4))}\", which was not asked for");
        if (numbers.Count == ContextsMax) throw exchange!.Broken($"it gives more than {ContextsMax} contexts");
        // A list has no numbers yet.
        if ((option == NbdOption.SetMetaContext && numbers.ContainsValue(number)) || !numbers.TryAdd(name, number)) throw exchange!.Broken($"it gives the context \"{ServerText.Of(reply.Body.AsSpan(4))}\" or the number {number} twice");
    }
}
