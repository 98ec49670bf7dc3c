namespace VmRepl.Fuzz.Corpus;

/// <summary>A number in a file.</summary>
/// <param name="Name">Field or table, by the specification's name.</param>
/// <param name="Offset">First byte.</param>
/// <param name="Size">1, 2, 4 or 8 bytes.</param>
/// <param name="IsBigEndian">Order of its bytes.</param>
/// <param name="Twin">Where a second copy stands that may be changed alike; -1 where there is none.</param>
public readonly record struct Site(string Name, long Offset, int Size, bool IsBigEndian, long Twin = -1);
