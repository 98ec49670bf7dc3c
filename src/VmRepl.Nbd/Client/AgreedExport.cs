using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Client;

/// <summary>What client and server agreed on.</summary>
/// <param name="Contexts">Names by id.</param>
internal sealed record AgreedExport(long Length, NbdTransmissionFlags Flags, int BlockBytesMin, int PayloadBytesMax, bool HasStructuredReplies, IReadOnlyDictionary<uint, string> Contexts);
