namespace VmRepl.Protocol.Records;

/// <summary>The bounds of a record. A record beyond one of them is neither made nor read.</summary>
public static class RecordLimits
{
    /// <summary>Bytes of an encoded header, checksums and attributes with it.</summary>
    public const int MaxEncodedHeaderBytes = 64 * 1024;

    /// <summary>Bytes of a payload; its 8192 checksums then take half a header.</summary>
    public const int MaxPayloadBytes = 32 * 1024 * 1024;

    /// <summary>Bytes that a zero or punch of a batch names. It has no payload, and at the replica its old contents are kept: as many bytes at the most as a write of the largest payload needs for its own.</summary>
    public const long MaxEmptyBytes = MaxPayloadBytes;

    /// <summary>Bytes of payload under one checksum, counted from the payload's start; the last may be fewer.</summary>
    public const int ChecksumChunkBytes = 4096;

    public const int MaxAttributes = 256;

    public const int MaxAttributeKeyBytes = 255;

    public const int MaxAttributeValueBytes = 16 * 1024;

    /// <summary>How many checksums a payload of that many bytes has.</summary>
    public static int ChecksumCount(int payloadLength) => (payloadLength + ChecksumChunkBytes - 1) / ChecksumChunkBytes;
}
