namespace VmRepl.Journal.Index;

/// <summary>Sectors that have one history in a <see cref="MemoryLayer"/>: numbers in its tables, -1 where there is none. No object of its own, so that a million of them are nothing to the garbage collector.</summary>
/// <param name="Start">First byte on the disk.</param>
/// <param name="End">Byte behind the last.</param>
/// <param name="Version">Number of the newest version's entry in the layer's <see cref="VersionTable"/>.</param>
/// <param name="Undo">Number of the undo or hand-down in the layer's table of records.</param>
internal record struct SectorRun(long Start, long End, int Version, int Undo);
