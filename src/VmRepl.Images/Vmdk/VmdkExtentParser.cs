using System.Globalization;

namespace VmRepl.Images.Vmdk;

/// <summary>Cuts an extent line into its parts (Virtual Disk Format 5.0, "The Extent Description"). Strict: a quotation mark must close on its line, and nothing unknown may follow.</summary>
internal static class VmdkExtentParser
{
    private static readonly string[] Accesses = ["RW", "RDONLY", "NOACCESS"];

    public static bool IsExtent(string line) => Accesses.Any(a => line.StartsWith(a, StringComparison.OrdinalIgnoreCase) && line.Length > a.Length && line[a.Length] is ' ' or '\t');

    /// <summary>The parts of an extent line, or null where it is malformed.</summary>
    public static VmdkExtentLine? Parse(string line)
    {
        var quote = line.IndexOf('"', StringComparison.Ordinal);
        var head = (quote < 0 ? line : line[..quote]).Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        if (head.Length != 3 || !TryNumber(head[1], out var sectors) || sectors == 0) return null;
        var (name, rest) = ("", Array.Empty<string>());
        if (quote >= 0)
        {
            var close = line.IndexOf('"', quote + 1);
            if (close < 0) return null;
            name = line[(quote + 1)..close];
            rest = line[(close + 1)..].Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        }

        // Device extents carry a path and partition identifier behind the offset; their type is refused later, by name.
        long offset = 0;
        if (rest.Length > 0 && !TryNumber(rest[0], out offset)) return null;
        var type = head[2].ToUpperInvariant();
        if ((name.Length == 0) != (type == "ZERO") || rest.Length > 1) return null;
        return new VmdkExtentLine(head[0].ToUpperInvariant(), sectors, type, name, offset);
    }

    private static bool TryNumber(string text, out long number) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number <= long.MaxValue / VmdkLayout.SectorBytes;
}
