namespace VmRepl.Protocol.Messages;

/// <summary>The bounds of what a message may carry; a message beyond one of them is refused when it is read.</summary>
public static class MessageLimits
{
    public const int MaxCapabilities = 64;

    /// <summary>Bytes of a capability, a phase, a format, a code, a purpose or a consistency.</summary>
    public const int MaxWordBytes = 64;

    /// <summary>Bytes of a sentence for people.</summary>
    public const int MaxTextBytes = 4096;

    public const int MaxDisks = 256;

    public const int MaxGroups = 65_536;

    /// <summary>Points of one group that are attached at a time.</summary>
    public const int MaxAttachments = 4096;

    /// <summary>Test failovers of one group that a replica remembers.</summary>
    public const int MaxTests = 100;

    /// <summary>Clones of one group in a list.</summary>
    public const int MaxClones = 65_536;

    public const int MaxPoints = 1 << 20;

    /// <summary>Damage listed in one scrub report; how much there is is said beside it.</summary>
    public const int MaxDamage = 1024;

    /// <summary>Points listed for one damage; how many there are is said beside it.</summary>
    public const int MaxDamagePoints = 256;

    public const int MaxRecords = 65_536;

    public const int MaxExtents = 1 << 18;

    public const int MaxDigests = 1 << 20;

    /// <summary>Bytes of one digest.</summary>
    public const int DigestBytes = 16;

    public const int MaxDigestBlockBytes = 1 << 30;

    public const int MaxMetadataEntries = 1024;

    public const int MaxMetadataKeyBytes = 255;

    public const int MaxMetadataValueBytes = 16 << 20;

    /// <summary>Bytes that one read of a view may ask for.</summary>
    public const int MaxReadBytes = 32 << 20;
}
