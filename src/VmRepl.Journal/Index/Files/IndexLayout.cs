namespace VmRepl.Journal.Index.Files;

/// <summary>
/// An index file, to the byte (<c>docs/journal-format.md</c>, "Index files"). Integers outside frames are little endian.
/// <code>
/// Offset  Size  Field
/// 0       4096  header frame, zero padded
/// 4096    …     pages of 4096 bytes: runs, and references to records, in chunks of 16 pages of one kind
/// …       …     facts: frames, one behind the other
/// …       …     places of the chunks of run pages, of the chunks of reference pages; fences; filters; segments
/// total   fileBytes
/// </code>
/// </summary>
internal static class IndexLayout
{
    public const string HeaderMagic = "VRI1";
    public const string FactsMagic = "VRF1";

    public const int HeaderBytes = 4096;
    public const int PageBytes = 4096;
    public const int PageHeaderBytes = 16;

    /// <summary>Pages that stand together; a file that is being written grows by them.</summary>
    public const int ChunkPages = 16;

    /// <summary>The place of a chunk: the number of its first page.</summary>
    public const int ChunkPlaceBytes = sizeof(uint);

    /// <summary>A frame of facts ends with the first fact that makes its body this long.</summary>
    public const int FactsBodyBytes = 32 << 10;

    /// <summary>The most that the body of a frame of facts can have: one more encoded header, and what stands around it.</summary>
    public const int FactsBodyBytesMax = FactsBodyBytes + Protocol.Records.RecordLimits.MaxEncodedHeaderBytes + 128;

    /// <summary>Most bytes written or read at once of an area.</summary>
    public const int PieceBytes = ChunkPages * PageBytes;
}
