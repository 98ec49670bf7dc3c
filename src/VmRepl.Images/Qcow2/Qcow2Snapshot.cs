namespace VmRepl.Images.Qcow2;

/// <summary>One internal snapshot, as far as checking needs it.</summary>
/// <param name="Number">Its place in the table, from 0.</param>
/// <param name="L1Offset">Where its L1 table stands.</param>
/// <param name="L1Entries">Entries of that table, within the bound of the format.</param>
internal readonly record struct Qcow2Snapshot(int Number, long L1Offset, int L1Entries);
