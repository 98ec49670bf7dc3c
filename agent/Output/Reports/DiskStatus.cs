namespace VmRepl.Agent.Output.Reports;

/// <summary>One disk of a group.</summary>
/// <param name="File">The file at the source.</param>
/// <param name="Format">raw, qcow2, vhdx, vmdk or vhd.</param>
/// <param name="Size">Virtual size in bytes.</param>
public sealed record DiskStatus(string Name, string File, string Format, long Size)
{
    /// <summary>Null for a disk that was protected without one.</summary>
    public SeedReport? Seed { get; init; }
}
