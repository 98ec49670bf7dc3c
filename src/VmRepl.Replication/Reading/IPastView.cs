using VmRepl.Blocks;
using VmRepl.Journal.Points;
using VmRepl.Journal.Store;

namespace VmRepl.Replication.Reading;

/// <summary>A group as of one point.</summary>
public interface IPastView : IAsyncDisposable
{
    /// <summary>Key of the VM's definition among <see cref="Metadata"/>.</summary>
    const string DefinitionKey = "definition";

    RecoveryPoint Point { get; }

    IReadOnlyList<DiskDescription> Disks { get; }

    /// <summary>The values of the group's keys at the point.</summary>
    IReadOnlyDictionary<string, byte[]> Metadata { get; }

    /// <summary>A disk's contents; the view owns the device. Safe for concurrent reads.</summary>
    IBlockDevice Open(DiskDescription disk);
}
