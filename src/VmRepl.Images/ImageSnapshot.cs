namespace VmRepl.Images;

/// <summary>A state of the disk that an image keeps inside itself, beside the active one (QCOW2 specification, "Snapshots").</summary>
/// <param name="Id">Unique in the image; QEMU counts from 1.</param>
/// <param name="Name">As it was given; need not be unique.</param>
/// <param name="Length">Bytes of the disk then.</param>
/// <param name="Taken">When it was taken, by the clock of the host.</param>
/// <param name="VmStateBytes">Bytes of a running guest's memory and devices that were kept with it; 0 for a disk alone. Not read here.</param>
public sealed record ImageSnapshot(string Id, string Name, long Length, DateTimeOffset Taken, long VmStateBytes);
