namespace VmRepl.Journal.Store;

/// <summary>One disk of a group.</summary>
/// <param name="Id">Number in the group's records, from 1.</param>
/// <param name="Name">Name in the group.</param>
/// <param name="Length">Bytes.</param>
/// <param name="SectorSize">Logical sector in bytes: 512 or 4096.</param>
/// <param name="Format">The source's format by its qemu-img name; a restore writes it where no other is asked for.</param>
public sealed record DiskDescription(uint Id, string Name, long Length, int SectorSize, string Format);
