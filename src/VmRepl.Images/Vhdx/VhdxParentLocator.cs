using System.Buffers.Binary;
using System.Text;

namespace VmRepl.Images.Vhdx;

/// <summary>
/// Where a differencing disk says its parent is ([MS-VHDX] 2.6.2.6): type GUID, reserved 2, count 2, then for each pair key offset 4, value offset 4, key length 2, value length 2 (UTF-16LE).
/// </summary>
internal sealed record VhdxParentLocator(Guid Linkage, Guid? Linkage2, string? RelativePath, string? AbsolutePath)
{
    private const int EntriesOffset = 20;
    private const int EntryBytes = 12;
    private const int EntriesMax = 64;
    private const int NameCharsMax = 4096;

    /// <param name="file">For errors.</param>
    /// <param name="offset">Where the item stands in the file.</param>
    /// <param name="item">The item's bytes.</param>
    /// <exception cref="ImageFormatException">It is malformed or has no parent_linkage.</exception>
    public static VhdxParentLocator Parse(VhdxFile file, long offset, ReadOnlySpan<byte> item)
    {
        if (item.Length < EntriesOffset) throw file.Bad(offset, "parent locator", $"has {item.Length} bytes, at least {EntriesOffset} are needed");
        var type = new Guid(item[..16]);
        if (type != VhdxLayout.ParentLocatorType) throw file.Bad(offset, "parent locator type", $"is {type}, only VHDX parents are known");
        var count = BinaryPrimitives.ReadUInt16LittleEndian(item[18..]);
        if (count > EntriesMax || EntriesOffset + (count * EntryBytes) > item.Length) throw file.Bad(offset + 18, "parent locator KeyValueCount", $"is {count}, which does not fit");
        var pairs = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var i = 0; i < count; i++)
        {
            var at = EntriesOffset + (i * EntryBytes);
            var key = Text(file, offset, item, at, 0, 8, "key");
            if (!pairs.TryAdd(key, Text(file, offset, item, at, 4, 10, "value"))) throw file.Bad(offset + at, "parent locator key", $"\"{key}\" is given twice");
        }

        if (!pairs.TryGetValue("parent_linkage", out var linkage) || !Guid.TryParse(linkage, out var id))
            throw file.Bad(offset, "parent_linkage", "is missing or no GUID");
        return new VhdxParentLocator(
            id,
            pairs.TryGetValue("parent_linkage2", out var second) && Guid.TryParse(second, out var id2) ? id2 : null,
            pairs.GetValueOrDefault("relative_path"),
            pairs.GetValueOrDefault("absolute_win32_path"));
    }

    private static string Text(VhdxFile file, long itemOffset, ReadOnlySpan<byte> item, int entry, int offsetField, int lengthField, string what)
    {
        var offset = BinaryPrimitives.ReadUInt32LittleEndian(item[(entry + offsetField)..]);
        var length = BinaryPrimitives.ReadUInt16LittleEndian(item[(entry + lengthField)..]);
        if (length == 0 || length % 2 != 0 || length > NameCharsMax * 2 || offset > item.Length || length > item.Length - offset)
            throw file.Bad(itemOffset + entry + offsetField, $"parent locator {what}", $"{length} bytes at {offset} are not text inside the item of {item.Length}");
        return Encoding.Unicode.GetString(item.Slice((int)offset, length));
    }
}
