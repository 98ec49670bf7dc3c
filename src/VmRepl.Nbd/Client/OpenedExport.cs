using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Client;

/// <summary>What a negotiation ended with.</summary>
/// <param name="Contexts">The server's numbers of the contexts that it gives, by name.</param>
internal sealed record OpenedExport(string Name, long Length, NbdTransmissionFlags Flags, bool HasStructuredReplies, BlockSizes Sizes, IReadOnlyDictionary<string, uint> Contexts)
{
    public bool Has(NbdTransmissionFlags flag) => Flags.HasFlag(flag);
}
