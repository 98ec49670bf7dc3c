using VmRepl.Blocks;

namespace VmRepl.Nbd.Server;

/// <summary>One device under one name, which is also what a client gets that names none.</summary>
public sealed class SingleExport(string exportName, IBlockDevice device) : INbdExports
{
    public IReadOnlyList<string> Names(NbdPeer peer) => [exportName];

    public INbdExport Open(string name, NbdPeer peer) =>
        name.Length == 0 || name == exportName ? new DeviceExport(device) : throw new NbdRefusedException($"there is no export \"{name}\"");
}
