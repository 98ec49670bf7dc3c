namespace VmRepl.Fuzz.Corpus;

/// <summary>A structure with a checksum over it.</summary>
/// <param name="Kind">How it is computed.</param>
/// <param name="Offset">First byte of the structure.</param>
/// <param name="Length">Its bytes; of a log entry those of the file as it was made.</param>
/// <param name="Field">Where in it the checksum stands.</param>
public readonly record struct Seal(SealKind Kind, long Offset, int Length, int Field);
