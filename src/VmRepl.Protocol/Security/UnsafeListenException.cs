namespace VmRepl.Protocol.Security;

/// <summary>The replica would have listened where strangers can reach it, with nothing to tell them from its peers.</summary>
public sealed class UnsafeListenException(string message, string hint) : Exception(message)
{
    /// <summary>The next step.</summary>
    public string Hint { get; } = hint;
}
