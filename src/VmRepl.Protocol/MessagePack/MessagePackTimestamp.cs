namespace VmRepl.Protocol.MessagePack;

/// <summary>A moment as extension type -1 carries it (MessagePack specification, "Timestamp extension type").</summary>
/// <param name="Seconds">Whole seconds since 1970-01-01 UTC; negative before.</param>
/// <param name="Nanoseconds">0 to 999,999,999, always counted forwards.</param>
public readonly record struct MessagePackTimestamp(long Seconds, uint Nanoseconds)
{
    public const uint MaxNanoseconds = 999_999_999;
}
