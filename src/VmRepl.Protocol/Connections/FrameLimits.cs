namespace VmRepl.Protocol.Connections;

/// <summary>A frame's layout and bounds (docs/protocol.md, "Frame").</summary>
public static class FrameLimits
{
    /// <summary>Offset of the body's length: 4 bytes, big endian.</summary>
    public const int LengthOffset = 0;

    /// <summary>Offset of the body's CRC-32C: 4 bytes, big endian.</summary>
    public const int ChecksumOffset = 4;

    /// <summary>Bytes before the body.</summary>
    public const int HeadBytes = 8;

    /// <summary>Bytes of a body.</summary>
    public const int MaxBodyBytes = 64 * 1024 * 1024;

    /// <summary>Bytes of a body while nobody has been welcomed: a stranger can make us hold no more than this.</summary>
    public const int MaxBeforeWelcomeBytes = 64 * 1024;
}
