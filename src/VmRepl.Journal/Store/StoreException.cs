namespace VmRepl.Journal.Store;

/// <summary>A store cannot do what was asked: no such group, no such point, not a store.</summary>
/// <param name="message">One sentence.</param>
/// <param name="hint">What to do next, or empty.</param>
public sealed class StoreException(string message, string hint = "") : Exception(message)
{
    public string Hint { get; } = hint;
}
