using VmRepl.Blocks;

namespace VmRepl.Protocol.Messages;

/// <summary>A run of a view's disk.</summary>
/// <param name="Offset">Bytes.</param>
/// <param name="Length">Bytes; never zero.</param>
public readonly record struct ViewExtent(long Offset, long Length, BlockState State);
