namespace VmRepl.Replication.Replica.Seeds;

/// <summary>A seed is not taken; nothing was begun. The message says why, without the group's name.</summary>
public sealed class SeedRefusedException(string message, string hint, Exception? cause = null) : Exception(message, cause)
{
    public string Hint { get; } = hint;
}
