namespace VmRepl.Nbd.Server;

/// <summary>A client said something after which its stream cannot be followed, or is not followed on purpose.</summary>
internal sealed class NbdClientException(string message) : Exception(message);
