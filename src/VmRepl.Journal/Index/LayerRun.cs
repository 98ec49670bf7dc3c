using VmRepl.Blocks;

namespace VmRepl.Journal.Index;

/// <summary>
/// Sectors that have one history within a layer, as a layer finds them. The versions and the undo are fetched from the layer when they are needed.
/// Valid until the layer changes.
/// </summary>
/// <param name="Start">First byte on the disk; a multiple of 512.</param>
/// <param name="End">Byte behind the last; a multiple of 512.</param>
/// <param name="Oldest">Least sequence of a version in it; 0 where there is none.</param>
/// <param name="Newest">Greatest sequence of a version in it; 0 where there is none.</param>
/// <param name="Versions">Number of versions.</param>
/// <param name="HasUndo">Whether the layer has an undo or a hand-down for it, be it void or not.</param>
/// <param name="Token">What the layer finds the run's history by.</param>
internal readonly record struct LayerRun(long Start, long End, ulong Oldest, ulong Newest, int Versions, bool HasUndo, long Token)
{
    public Extent Extent => Extent.FromEnds(Start, End);
}
