namespace VmRepl.Agent.Output.Reports;

/// <summary>One restored disk.</summary>
/// <param name="File">The file written.</param>
/// <param name="Format">raw, qcow2, vhdx, vmdk or vhd.</param>
/// <param name="Size">Virtual size in bytes.</param>
/// <param name="Sha256">SHA-256 of the disk's contents, zeros included, in lower-case hexadecimal digits.</param>
public sealed record RestoredDisk(string Name, string File, string Format, long Size, string Sha256);
