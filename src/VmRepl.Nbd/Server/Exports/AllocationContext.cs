using VmRepl.Blocks;

namespace VmRepl.Nbd.Server;

/// <summary><c>base:allocation</c> from the device's map.</summary>
internal sealed class AllocationContext(IBlockDevice device) : INbdContext
{
    private const uint Hole = 1;
    private const uint Zero = 2;

    public IEnumerable<NbdExtent> Status(long offset, long length) =>
        DeviceMap.InSteps(device, offset, length).Select(run => new NbdExtent(run.Length, run.State switch
        {
            BlockState.Unallocated => Hole | Zero,
            BlockState.Zero => Zero,
            _ => 0,
        }));
}
