using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Tests.Server;

/// <summary>An answer as it came.</summary>
/// <param name="Data">A chunk's whole payload, or a simple read's contents.</param>
internal sealed record RawReply(ulong Cookie, NbdError Error, NbdChunk Kind, bool IsLast, byte[] Data);
