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
        if (item.Length < EntriesOffset) throw file.Mismatch(offset, "parent locator", $"of at least {EntriesOffset} bytes", $"of {item.Length}");
        var type = new Guid(item[..16]);
        if (type != VhdxLayout.ParentLocatorType) throw file.Mismatch(offset, "parent locator type", $"{VhdxLayout.ParentLocatorType} (VHDX)", $"{type}");
        var count = BinaryPrimitives.ReadUInt16LittleEndian(item[18..]);
        if (count > EntriesMax || EntriesOffset + (count * EntryBytes) > item.Length) throw file.Mismatch(offset + 18, "parent locator KeyValueCount", $"at most {Math.Min(EntriesMax, (item.Length - EntriesOffset) / EntryBytes)}", $"{count}");
        var pairs = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var i = 0; i < count; i++)
        {
            var at = EntriesOffset + (i * EntryBytes);
            var key = Text(file, offset, item, at, 0, 8, "key");
            if (!pairs.TryAdd(key, Text(file, offset, item, at, 4, 10, "value"))) throw file.Mismatch(offset + at, "parent locator key", "one that is not there yet", $"\"{key}\" again");
        }

        if (!pairs.TryGetValue("parent_linkage", out var linkage) || !Guid.TryParse(linkage, out var id))
            throw file.Mismatch(offset, "parent_linkage", "a GUID", "missing or none");
        return new VhdxParentLocator(
            id,
            pairs.TryGetValue("parent_linkage2", out var second) && Guid.TryParse(second, out var id2) ? id2 : null,
            pairs.GetValueOrDefault("relative_path"),
            pairs.GetValueOrDefault("absolute_win32_path"));
    }

    /// <summary>The item that says this: keys parent_linkage and the paths that are known. parent_linkage2 is left out, as 2.6.2.6.3 has it for a parent that is not being changed.</summary>
    public byte[] ToBytes()
    {
        var pairs = new List<(string Key, string Value)> { ("parent_linkage", Linkage.ToString("B")) };
        if (RelativePath is not null) pairs.Add(("relative_path", RelativePath));
        if (AbsolutePath is not null) pairs.Add(("absolute_win32_path", AbsolutePath));
        var at = EntriesOffset + (pairs.Count * EntryBytes);
        var item = new byte[at + pairs.Sum(p => 2 * (p.Key.Length + p.Value.Length))];
        VhdxLayout.ParentLocatorType.TryWriteBytes(item);
        BinaryPrimitives.WriteUInt16LittleEndian(item.AsSpan(18), (ushort)pairs.Count);
        for (var i = 0; i < pairs.Count; i++)
        {
            var entry = item.AsSpan(EntriesOffset + (i * EntryBytes), EntryBytes);
            Put(entry, 0, 8, pairs[i].Key);
            Put(entry, 4, 10, pairs[i].Value);
        }

        return item;

        void Put(Span<byte> entry, int offsetField, int lengthField, string text)
        {
            BinaryPrimitives.WriteInt32LittleEndian(entry[offsetField..], at);
            BinaryPrimitives.WriteUInt16LittleEndian(entry[lengthField..], checked((ushort)(2 * text.Length)));
            at += Encoding.Unicode.GetBytes(text, item.AsSpan(at));
        }
    }

    /// <summary>The locator for a parent found at <paramref name="name"/> from the directory of the child at <paramref name="childPath"/>: Windows' separators, relative to the child.</summary>
    /// <exception cref="NotSupportedException">The name cannot be said so.</exception>
    public static VhdxParentLocator For(string childPath, string name, Guid linkage)
    {
        var directory = Path.GetDirectoryName(Path.GetFullPath(childPath))!;
        var full = Path.GetFullPath(name, directory);
        var relative = Path.GetRelativePath(directory, full);
        if (!OperatingSystem.IsWindows() && relative.Contains('\\', StringComparison.Ordinal)) throw new NotSupportedException($"a VHDX cannot name \"{name}\": it takes \"\\\" for a separator");
        relative = relative.Replace('/', '\\');
        if (relative.Length > NameCharsMax - 2 || full.Length > NameCharsMax) throw new NotSupportedException($"a parent's name of more than {NameCharsMax} characters is not written into a VHDX");
        if (!Path.IsPathRooted(relative) && !relative.StartsWith('.')) relative = @".\" + relative;
        // Hyper-V finds the parent by either; libvhdi looks at the full one only, and takes its last part. From elsewhere it has no drive, and no meaning on Windows.
        return new VhdxParentLocator(linkage, null, relative, full.Replace('/', '\\'));
    }

    private static string Text(VhdxFile file, long itemOffset, ReadOnlySpan<byte> item, int entry, int offsetField, int lengthField, string what)
    {
        var offset = BinaryPrimitives.ReadUInt32LittleEndian(item[(entry + offsetField)..]);
        var length = BinaryPrimitives.ReadUInt16LittleEndian(item[(entry + lengthField)..]);
        if (length == 0 || length % 2 != 0 || length > NameCharsMax * 2 || offset > item.Length || length > item.Length - offset)
            throw file.Mismatch(itemOffset + entry + offsetField, $"parent locator {what}", $"text inside the item of {item.Length} bytes", $"{length} bytes at {offset}");
        return Encoding.Unicode.GetString(item.Slice((int)offset, length));
    }
}
