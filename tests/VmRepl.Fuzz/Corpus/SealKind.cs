namespace VmRepl.Fuzz.Corpus;

public enum SealKind
{
    /// <summary>CRC-32C, little endian, of the whole with the field taken as zero: headers and region tables of VHDX.</summary>
    Crc,

    /// <summary>The same of a log entry, whose length stands at its offset 8.</summary>
    LogEntry,

    /// <summary>One's complement of the sum of all other bytes, big endian: footers and headers of VHD.</summary>
    ByteSum,
}
