namespace VmRepl.Blocks.Scratch;

/// <summary>Units in a row of one state.</summary>
/// <param name="First">Number of the first unit.</param>
/// <param name="Count">How many; never zero.</param>
internal readonly record struct ScratchRun(long First, long Count, ScratchState State)
{
    public long End => First + Count;
}
