namespace VmRepl.Images.Tests.Vhdx;

/// <summary>One payload block for <see cref="VhdxGenerator"/>.</summary>
/// <param name="State">The number in its table entry: 0 not present, 1 undefined, 2 zero, 3 unmapped, 5 unmapped of the drafts, 6 fully and 7 partially present.</param>
/// <param name="Contents">For 6 and 7 the block's bytes, cut at the disk's end.</param>
/// <param name="Here">For 7, sector by sector of the block, whether this file has it.</param>
internal sealed record GeneratedBlock(int State, byte[]? Contents = null, bool[]? Here = null);
