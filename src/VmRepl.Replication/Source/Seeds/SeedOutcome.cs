namespace VmRepl.Replication.Source;

/// <summary>What a replica made of a disk's seed.</summary>
/// <param name="Disk">The disk's name.</param>
/// <param name="StoreId">The store that has it.</param>
/// <param name="File">As it was given.</param>
/// <param name="Format">As the replica found it; empty where it could not be opened.</param>
/// <param name="Length">Bytes of the seed's disk.</param>
/// <param name="CopiedBytes">Bytes that the replica took from it; zeros are not counted.</param>
/// <param name="Problem">Why it was used in part only, or not at all; empty where all of it was used.</param>
public sealed record SeedOutcome(string Disk, Guid StoreId, string File, string Format, long Length, long CopiedBytes, string Problem);
