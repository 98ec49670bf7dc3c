using VmRepl.Blocks;

namespace VmRepl.Images.Vmdk;

/// <summary>What an extent's tables say about a grain and those behind it.</summary>
/// <param name="State">Unallocated (the parent's), zero, data or compressed.</param>
/// <param name="Place">Where in the file the grain's bytes begin, or its marker where it is compressed; -1 where there are none.</param>
/// <param name="Grains">How many grains from this one on are known to be alike: more than one only where a whole table is missing.</param>
internal readonly record struct GrainRun(BlockState State, long Place = -1, long Grains = 1);
