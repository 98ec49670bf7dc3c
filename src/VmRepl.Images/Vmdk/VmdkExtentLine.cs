namespace VmRepl.Images.Vmdk;

/// <summary>An extent line of a descriptor (Virtual Disk Format 5.0, "The Extent Description"): <c>RW 4192256 SPARSE "d-s001.vmdk"</c>, <c>RW 2048 FLAT "d-flat.vmdk" 0</c>, <c>RW 64 ZERO</c>.</summary>
/// <param name="Access">RW, RDONLY or NOACCESS.</param>
/// <param name="Sectors">Size.</param>
/// <param name="Type">FLAT, SPARSE, ZERO, VMFS, …, in upper case.</param>
/// <param name="FileName">As written; empty for ZERO.</param>
/// <param name="OffsetSectors">Where a flat extent begins in its file.</param>
internal sealed record VmdkExtentLine(string Access, long Sectors, string Type, string FileName, long OffsetSectors);
