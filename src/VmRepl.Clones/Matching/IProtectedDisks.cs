using VmRepl.Blocks;
using VmRepl.Replication.Source;

namespace VmRepl.Clones.Matching;

/// <summary>The disks that clones are compared with, and the way to their replicas.</summary>
public interface IProtectedDisks
{
    IReadOnlyList<ProtectedDisk> List();

    /// <summary>A disk's contents of now, to be read; they may change meanwhile.</summary>
    /// <exception cref="IOException">It cannot be read now, for whatever reason.</exception>
    IBlockDevice Open(ProtectedDisk disk);

    /// <inheritdoc cref="SourceAgent.ReplicateCloneAsync"/>
    Task<RoundResult> ReplicateAsync(CloneRequest request, CancellationToken cancellation);

    /// <inheritdoc cref="SourceAgent.ForgetClone"/>
    void Forget(string clone);
}
