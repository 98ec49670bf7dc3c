namespace VmRepl.Images.Qcow2;

/// <summary>What an entry of the bitmap directory says (specification, "Bitmap directory"), unchecked.</summary>
/// <param name="Name">Empty where it cannot be read.</param>
/// <param name="EntryOffset">Where the entry stands in the file.</param>
/// <param name="TableOffset">Where the bitmap's table stands.</param>
/// <param name="TableEntries">Its entries.</param>
/// <param name="GranularityBits">Binary logarithm of a granule's bytes.</param>
internal readonly record struct Qcow2BitmapPlace(string Name, long EntryOffset, long TableOffset, long TableEntries, int GranularityBits);
