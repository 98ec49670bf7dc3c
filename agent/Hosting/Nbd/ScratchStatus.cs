using VmRepl.Blocks;
using VmRepl.Nbd;
using VmRepl.Nbd.Server;

namespace VmRepl.Agent.Hosting.Nbd;

/// <summary>What of a scratch layer is its own: depth 0 of its map.</summary>
internal sealed class ScratchStatus(IBlockDevice device) : INbdContext
{
    public IEnumerable<NbdExtent> Status(long offset, long length) => device.Map(offset, length).Select(run => new NbdExtent(run.Length, run.Depth == 0 ? 1u : 0u));
}
