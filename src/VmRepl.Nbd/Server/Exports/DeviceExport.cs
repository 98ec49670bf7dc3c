using VmRepl.Blocks;

namespace VmRepl.Nbd.Server;

/// <summary>A device that every client shares. Its maker closes it when the server has ended.</summary>
public sealed class DeviceExport(IBlockDevice device, string description = "") : INbdExport
{
    public IBlockDevice Device => device;

    public string Description => description;

    public bool CanMultiConn => true;

    public IReadOnlyList<string> ContextNames => [];

    public INbdContext? FindContext(string name) => null;

    public void Dispose()
    {
    }
}
