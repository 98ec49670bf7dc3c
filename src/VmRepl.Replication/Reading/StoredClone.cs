namespace VmRepl.Replication.Reading;

/// <summary>A clone that a store holds.</summary>
/// <param name="Group">The group that it is, to be opened like any other.</param>
/// <param name="Owner">The group whose clone it is.</param>
/// <param name="Disk">The owner's disk.</param>
/// <param name="Base">How that was found out, for people.</param>
/// <param name="Name">What it is called by people.</param>
/// <param name="Time">When it was last written.</param>
/// <param name="Point">Sequence of its recovery point; 0 while it is not whole.</param>
/// <param name="Length">Bytes of its disk.</param>
public sealed record StoredClone(string Group, string Owner, string Disk, string Base, string Name, DateTimeOffset Time, ulong Point, long Length);
