namespace VmRepl.Nbd.Server;

/// <summary>An export that a client does not get.</summary>
/// <param name="message">One sentence that the client is told.</param>
/// <param name="isPolicy">Whether the client is not allowed to, rather than that there is none.</param>
public sealed class NbdRefusedException(string message, bool isPolicy = false, Exception? cause = null) : Exception(message, cause)
{
    public bool IsPolicy { get; } = isPolicy;
}
