using VmRepl.Blocks;

namespace VmRepl.Nbd.Server;

/// <summary><c>qemu:allocation-depth</c> from the device's map: 0 where nothing holds the range, else 1 for the top layer, 2 for the one below it and so on.</summary>
internal sealed class AllocationDepthContext(IBlockDevice device) : INbdContext
{
    public IEnumerable<NbdExtent> Status(long offset, long length) =>
        DeviceMap.InSteps(device, offset, length).Select(run => new NbdExtent(run.Length, run.State == BlockState.Unallocated ? 0 : (uint)run.Depth + 1));
}
