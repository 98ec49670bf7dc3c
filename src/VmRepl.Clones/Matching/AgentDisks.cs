using VmRepl.Blocks;
using VmRepl.Images;
using VmRepl.Images.Opening;
using VmRepl.Replication;
using VmRepl.Replication.Source;

namespace VmRepl.Clones.Matching;

/// <summary>The disks of an agent's groups.</summary>
public sealed class AgentDisks(SourceAgent agent) : IProtectedDisks
{
    public IReadOnlyList<ProtectedDisk> List() =>
        [.. agent.Status.SelectMany(s => s.Definition.Disks.Select(d => new ProtectedDisk(s.Definition.Name, d.Name, d.File, d.Format, d.Length, s.Definition.Allow) { Replica = s.Definition.Replica }))];

    public IBlockDevice Open(ProtectedDisk disk)
    {
        try
        {
            // Of a disk that is served, the agent itself has what is newest, and the image's tables in its memory.
            if (agent.Served.Contains(disk.Group)) return agent.Device(disk.Group, disk.Name);
            return DiskImages.Open(disk.File, new ImageOpenOptions { Format = disk.Format, Allow = disk.Allow });
        }
        catch (Exception e) when (e is ReplicationException or ImageFormatException or ReferenceRefusedException or UnauthorizedAccessException)
        {
            throw new IOException(e.Message, e);
        }
    }

    public Task<RoundResult> ReplicateAsync(CloneRequest request, CancellationToken cancellation) => agent.ReplicateCloneAsync(request, cancellation);

    public void Forget(string clone) => agent.ForgetClone(clone);
}
