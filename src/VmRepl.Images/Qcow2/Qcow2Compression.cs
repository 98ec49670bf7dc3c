namespace VmRepl.Images.Qcow2;

/// <summary>How compressed clusters are stored; the numbers are the header's (specification, "Header", compression_type).</summary>
internal enum Qcow2Compression
{
    /// <summary>Raw deflate (RFC 1951) without a zlib header.</summary>
    Deflate = 0,

    /// <summary>One or more Zstandard frames (RFC 8878).</summary>
    Zstd = 1,
}
