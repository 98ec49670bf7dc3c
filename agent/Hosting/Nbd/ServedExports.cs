using VmRepl.Nbd.Server;
using VmRepl.Replication;
using VmRepl.Replication.Source;

namespace VmRepl.Agent.Hosting.Nbd;

/// <summary>What an agent serves over NBD: <c>GROUP/DISK</c>, the disks of served groups, to be written. Every client of a disk sees one device.</summary>
internal sealed class ServedExports(SourceAgent agent) : INbdExports
{
    public IReadOnlyList<string> Names(NbdPeer peer) => [.. agent.Served.SelectMany(name => agent.StatusOf(name).Definition.Disks.Select(d => $"{name}/{d.Name}"))];

    public INbdExport Open(string name, NbdPeer peer)
    {
        var slash = name.IndexOf('/', StringComparison.Ordinal);
        if (slash <= 0) throw new NbdRefusedException("an export is named GROUP/DISK");
        try
        {
            return new DeviceExport(agent.Device(name[..slash], name[(slash + 1)..]), $"{name}, followed to its replica");
        }
        catch (ReplicationException e)
        {
            throw new NbdRefusedException(e.Message, cause: e);
        }
    }
}
