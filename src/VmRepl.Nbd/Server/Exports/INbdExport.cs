using VmRepl.Blocks;

namespace VmRepl.Nbd.Server;

/// <summary>An export, opened for one client.</summary>
public interface INbdExport : IDisposable
{
    /// <summary>Safe for concurrent use. Whether it is closed with the export is the export's affair.</summary>
    IBlockDevice Device { get; }

    /// <summary>One line for people; may be empty.</summary>
    string Description { get; }

    /// <summary>Whether every connection to this name sees one device: <see cref="Wire.NbdTransmissionFlags.CanMultiConn"/>.</summary>
    bool CanMultiConn { get; }

    /// <summary>Block-status contexts beside <c>base:allocation</c> and <c>qemu:allocation-depth</c>, which every export has.</summary>
    IReadOnlyList<string> ContextNames { get; }

    /// <summary>A context of the export, which need not be among <see cref="ContextNames"/>; null where there is none of that name.</summary>
    INbdContext? FindContext(string name);
}
