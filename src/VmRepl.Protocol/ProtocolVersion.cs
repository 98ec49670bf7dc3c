namespace VmRepl.Protocol;

/// <summary>The protocol's versions that this build speaks, both ends inclusive (docs/protocol.md, "Negotiation").</summary>
public static class ProtocolVersion
{
    public const int Oldest = 1;

    public const int Current = 1;
}
