using VmRepl.Blocks;

namespace VmRepl.Images.Tests;

/// <summary>One run of <c>qemu-img map --output=json</c>.</summary>
internal sealed record QemuMapRun(Extent Extent, int Depth, bool Present, bool Zero, bool HasData, long Offset);
