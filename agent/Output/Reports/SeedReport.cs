namespace VmRepl.Agent.Output.Reports;

/// <summary>What a disk's baseline began from.</summary>
/// <param name="File">Its path at the replica, as it was given.</param>
/// <param name="Format">raw, qcow2, vhdx, vmdk or vhd; null where the replica could not open it, or has not yet.</param>
/// <param name="Size">Virtual size in bytes; null as above.</param>
/// <param name="BytesCopied">What the replica took from it, zeros left out; null until it has.</param>
/// <param name="Problem">Why it was used in part only, or not at all; null where all of it was.</param>
public sealed record SeedReport(string File, string? Format, long? Size, long? BytesCopied, string? Problem);
