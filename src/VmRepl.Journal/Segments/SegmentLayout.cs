namespace VmRepl.Journal.Segments;

/// <summary>
/// A segment file, to the byte (<c>docs/journal-format.md</c>):
/// <code>
/// Offset            Size      Field
/// 0                 4096      header frame, zero padded
/// 4096              …         records area: commit frames, each on a 512-byte boundary, growing upwards
/// …                 …         free
/// …                 …         payload area: the payloads of a commit from a 4096-byte boundary on, growing downwards from the end
/// total             SegmentBytes
/// </code>
/// The two areas grow towards each other, so a segment is full when they meet, whatever the mix of small and large records.
/// </summary>
internal static class SegmentLayout
{
    public const int HeaderBytes = 4096;
    public const int CommitAlignment = 512;

    /// <summary>Where a commit's payloads begin and end, and each that may share extents or be given back in part: a block of the volume.</summary>
    public const int PayloadAlignment = 4096;

    /// <summary>Where the other payloads begin: what they would be padded with is a twentieth of the journal where records of 4 to 64 KiB have any length.</summary>
    public const int PackedAlignment = 512;

    /// <summary>Payloads of this size on may share extents.</summary>
    public const int ShareableBytesMin = 64 << 10;

    /// <summary>Payloads below this stand inside their record, and in a small commit those of just this; the others in the payload area. It is the size of a checksum's chunk.</summary>
    public const int InlinePayloadMax = 4096;

    /// <summary>A commit with at most this many bytes of payload is small: with its payloads inside the records its flush has one place to write and not two.</summary>
    public const int SmallCommitBytes = 32 << 10;

    public const long SegmentBytesMin = 1 << 20;
    public const long SegmentBytesMax = 1L << 30;

    public const string HeaderMagic = "VRS1";
    public const string CommitMagic = "VRC1";

    /// <summary>array(3), str(4), uint32, bin32: what stands before a frame's body.</summary>
    public const int FramePrefixBytes = 1 + 5 + 5 + 5;

    /// <summary>Before the name of a file that is no segment now: being made, or kept to be used again.</summary>
    public const string SparePrefix = "spare-";

    public const string NamePrefix = "segment-";
    public const string NameSuffix = ".vrj";

    public static string FileName(ulong serial) => $"{NamePrefix}{serial:D10}{NameSuffix}";

    public static bool TryParseName(string name, out ulong serial)
    {
        serial = 0;
        return name.StartsWith(NamePrefix, StringComparison.Ordinal) && name.EndsWith(NameSuffix, StringComparison.Ordinal)
            && ulong.TryParse(name.AsSpan(NamePrefix.Length, name.Length - NamePrefix.Length - NameSuffix.Length), System.Globalization.NumberStyles.None, null, out serial);
    }
}
