namespace VmRepl.Images.Qcow2;

/// <summary>One internal snapshot (specification, "Snapshots").</summary>
/// <param name="Number">Its place in the table, from 0.</param>
/// <param name="L1Offset">Where its L1 table stands.</param>
/// <param name="L1Entries">Entries of that table, within the bound of the format; those behind the disk's end hold VM state.</param>
/// <param name="Facts">What is shown of it.</param>
internal sealed record Qcow2Snapshot(int Number, long L1Offset, int L1Entries, ImageSnapshot Facts);
