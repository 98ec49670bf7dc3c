namespace VmRepl.Nbd.Wire;

/// <summary>The kind of one piece of a structured reply. Bit 15 marks an error.</summary>
internal enum NbdChunk : ushort
{
    None = 0,
    OffsetData = 1,
    OffsetHole = 2,
    BlockStatus = 5,
    Error = 0x8001,
    ErrorOffset = 0x8002,
}
