using System.Globalization;
using System.Text;

namespace VmRepl.Images.Vmdk;

/// <summary>The text that describes a VMDK disk (Virtual Disk Format 5.0, "Layout Basics", "The Descriptor File"): identifiers, type, extents, parent. Keys are compared without case; unknown keys are passed over, unknown lines are not.</summary>
internal sealed record VmdkDescriptor
{
    private const int LineCharactersMax = 8192;

    private static readonly string[] LatinEncodings = ["windows-1252", "ISO-8859-1", "latin1"];

    /// <summary>CID ("The Header"): changes with the first write of a session.</summary>
    public required uint Cid { get; init; }

    /// <summary>parentCID ("The Header"): the parent's <see cref="Cid"/> when this disk was made, or <see cref="VmdkLayout.NoParent"/>.</summary>
    public required uint ParentCid { get; init; }

    /// <summary>createType ("The Header"): the kind of disk, from "monolithicSparse" to "custom".</summary>
    public required string CreateType { get; init; }

    /// <summary>parentFileNameHint ("The Header"): where the parent is; null without one.</summary>
    public string? ParentHint { get; init; }

    /// <summary>changeTrackPath: the tracking file beside the disk. Not in the specification; by VMware's own descriptors.</summary>
    public string? ChangeTrackPath { get; init; }

    /// <summary>The extents, one behind the other in the disk ("The Extent Description").</summary>
    public required IReadOnlyList<VmdkExtentLine> Extents { get; init; }

    /// <summary>Whether it is a delta ("Delta Links").</summary>
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
            if (line.Length > LineCharactersMax) throw Mismatch("line", $"of at most {LineCharactersMax} characters", $"\"{Shown(line)}\" of {line.Length}");
            if (VmdkExtentParser.IsExtent(line))
            {
                var extent = VmdkExtentParser.Parse(line) ?? throw Mismatch("extent line", "of the form ACCESS SECTORS TYPE \"FILE\" [OFFSET]", $"\"{Shown(line)}\"");
                if (extents.Count == VmdkLayout.ExtentsMax) throw Mismatch("extent line", $"one of at most {VmdkLayout.ExtentsMax}", "one more");
                if (extent.Sectors > (DiskImages.LengthMax / VmdkLayout.SectorBytes) - sectors) throw Mismatch("extent line", $"of a disk of at most {DiskImages.LengthMax} bytes in all", $"\"{Shown(line)}\" behind {sectors} sectors");
                sectors += extent.Sectors;
                extents.Add(extent);
                continue;
            }

            var equals = line.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0) throw Mismatch("line", "a comment, KEY=VALUE or an extent", $"\"{Shown(line)}\"");
            keys.TryAdd(line[..equals].TrimEnd(), Unquoted(line[(equals + 1)..].Trim()) ?? throw Mismatch("value", "in quotation marks that close on their line", $"\"{Shown(line)}\""));
        }

        if (keys.GetValueOrDefault("version") is not ("1" or "2" or "3")) throw Mismatch("version", "1 to 3", $"\"{Shown(keys.GetValueOrDefault("version") ?? "")}\"");
        return new VmdkDescriptor
        {
            Cid = Hex("CID"),
            ParentCid = keys.ContainsKey("parentCID") ? Hex("parentCID") : VmdkLayout.NoParent,
            CreateType = keys.GetValueOrDefault("createType") ?? throw Mismatch("createType", "there", "missing"),
            ParentHint = keys.GetValueOrDefault("parentFileNameHint"),
            ChangeTrackPath = keys.GetValueOrDefault("changeTrackPath"),
            Extents = extents.Count > 0 ? extents : throw Mismatch("extents", "at least one", "none"),
        };

        uint Hex(string key) =>
            keys.TryGetValue(key, out var value) && uint.TryParse(value, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var number)
                ? number
                : throw Mismatch(key, "a hexadecimal number of 32 bits", $"\"{Shown(keys.GetValueOrDefault(key) ?? "")}\"");

        ImageFormatException Mismatch(string field, string expected, string found) => ImageFormatException.Mismatch(path, at, $"descriptor {field}", expected, found);
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
