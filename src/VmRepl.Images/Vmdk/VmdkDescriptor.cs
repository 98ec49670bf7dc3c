using System.Globalization;
using System.Text;

namespace VmRepl.Images.Vmdk;

/// <summary>The text that describes a VMDK disk (Virtual Disk Format 5.0, "Layout Basics", "The Descriptor File"): identifiers, type, extents, parent. Keys are compared without case; unknown keys are passed over, unknown lines are not.</summary>
internal sealed record VmdkDescriptor
{
    private const int LineCharactersMax = 8192;

    private static readonly string[] LatinEncodings = ["windows-1252", "ISO-8859-1", "latin1"];

    /// <summary>Content identifier: changes with the first write of a session.</summary>
    public required uint Cid { get; init; }

    /// <summary>The parent's <see cref="Cid"/>, or <see cref="VmdkLayout.NoParent"/>.</summary>
    public required uint ParentCid { get; init; }

    public required string CreateType { get; init; }

    public string? ParentHint { get; init; }

    public string? ChangeTrackPath { get; init; }

    public required IReadOnlyList<VmdkExtentLine> Extents { get; init; }

    public bool HasParent => ParentCid != VmdkLayout.NoParent;

    /// <param name="path">For errors.</param>
    /// <param name="at">Where the text stands in the file.</param>
    /// <param name="bytes">The text, perhaps padded with NULs.</param>
    /// <exception cref="ImageFormatException">A line is malformed or a key is missing.</exception>
    public static VmdkDescriptor Parse(string path, long at, ReadOnlySpan<byte> bytes)
    {
        if (bytes.StartsWith(DescriptorProbe.Utf8Mark)) bytes = bytes[DescriptorProbe.Utf8Mark.Length..];
        var end = bytes.IndexOf((byte)0);
        var text = Text(end < 0 ? bytes : bytes[..end]);
        var keys = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        var extents = new List<VmdkExtentLine>();
        long sectors = 0;
        foreach (var raw in text.Split('\n'))
        {
            var line = raw.Trim();
            if (line.Length == 0 || line[0] == '#') continue;
            // What it says stays as long as the disk is open, for every layer of a chain; no file has a longer name.
            if (line.Length > LineCharactersMax) throw Bad("line", $"\"{Shown(line)}\" has {line.Length} characters, at most {LineCharactersMax} are read");
            if (VmdkExtentParser.IsExtent(line))
            {
                var extent = VmdkExtentParser.Parse(line) ?? throw Bad("extent line", $"\"{Shown(line)}\" is malformed");
                if (extents.Count == VmdkLayout.ExtentsMax) throw Bad("extent line", $"there are more than {VmdkLayout.ExtentsMax}");
                if (extent.Sectors > (DiskImages.LengthMax / VmdkLayout.SectorBytes) - sectors) throw Bad("extent line", $"\"{Shown(line)}\" makes the disk too large");
                sectors += extent.Sectors;
                extents.Add(extent);
                continue;
            }

            var equals = line.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0) throw Bad("line", $"\"{Shown(line)}\" is neither a key nor an extent");
            keys.TryAdd(line[..equals].TrimEnd(), Unquoted(line[(equals + 1)..].Trim()) ?? throw Bad("value", $"of \"{Shown(line)}\" has a quotation mark that is not closed"));
        }

        if (keys.GetValueOrDefault("version") is not ("1" or "2" or "3")) throw Bad("version", $"is \"{Shown(keys.GetValueOrDefault("version") ?? "")}\", 1 to 3 are known");
        return new VmdkDescriptor
        {
            Cid = Hex("CID"),
            ParentCid = keys.ContainsKey("parentCID") ? Hex("parentCID") : VmdkLayout.NoParent,
            CreateType = keys.GetValueOrDefault("createType") ?? throw Bad("createType", "is missing"),
            ParentHint = keys.GetValueOrDefault("parentFileNameHint"),
            ChangeTrackPath = keys.GetValueOrDefault("changeTrackPath"),
            Extents = extents.Count > 0 ? extents : throw Bad("extents", "there are none"),
        };

        uint Hex(string key) =>
            keys.TryGetValue(key, out var value) && uint.TryParse(value, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var number)
                ? number
                : throw Bad(key, "is missing or no hexadecimal number of 32 bits");

        ImageFormatException Bad(string field, string problem) => new(path, at, $"descriptor {field}", problem);
    }

    /// <summary>
    /// UTF-8, but where the text names one of the western encodings of 8 bits. All are taken for Latin-1: where windows-1252 differs from it (0x80 to 0x9F), a file of that name is not found.
    /// </summary>
    private static string Text(ReadOnlySpan<byte> bytes)
    {
        var latin = Encoding.Latin1.GetString(bytes);
        var isLatin = latin.Split('\n').Select(l => l.Trim()).Any(l =>
            l.StartsWith("encoding", StringComparison.OrdinalIgnoreCase) && LatinEncodings.Contains(l[8..].Trim(' ', '\t', '=', '"'), StringComparer.OrdinalIgnoreCase));
        return isLatin ? latin : Encoding.UTF8.GetString(bytes);
    }

    private static string? Unquoted(string value)
    {
        if (value.Length == 0 || value[0] != '"') return value;
        var close = value.IndexOf('"', 1);
        return close < 0 || value[(close + 1)..].Trim().Length > 0 ? null : value[1..close];
    }

    private static string Shown(string text) => text.Length <= 80 ? text : text[..80] + "…";
}
