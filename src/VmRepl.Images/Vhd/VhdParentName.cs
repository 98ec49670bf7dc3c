using System.Text;

namespace VmRepl.Images.Vhd;

/// <summary>
/// How a differencing disk names its parent ("Implementing a Differencing Hard Disk"): by the path relative to itself, else by a file URL, else by an absolute path of Windows, else by the name in the header.
/// </summary>
/// <param name="Text">The name as the file has it.</param>
/// <param name="Platform">The locator's "Platform Code"; 0 for the header's "Parent Unicode Name".</param>
internal readonly record struct VhdParentName(string Text, uint Platform)
{
    private const int BytesMax = 8192;
    private const string UrlStart = "file://", LocalHost = "localhost/";

    /// <summary>The name as a path to be followed from the child's directory, under the policy. Of an absolute path of Windows and of the header's name only the last part means something here.</summary>
    public string Reference
    {
        get
        {
            if (Platform == VhdLayout.WindowsRelative) return Text.Replace('\\', '/');
            if (Platform != VhdLayout.FileUrl) return Text.Split('\\', '/')[^1];
            if (!Text.StartsWith(UrlStart, StringComparison.OrdinalIgnoreCase)) return Text;
            var path = Uri.UnescapeDataString(Text[UrlStart.Length..]);
            return path.StartsWith(LocalHost, StringComparison.OrdinalIgnoreCase) ? path[(LocalHost.Length - 1)..] : path;
        }
    }

    /// <exception cref="ImageFormatException">There is no name, or it is not text.</exception>
    public static VhdParentName Read(VhdStructure structure)
    {
        foreach (var platform in new[] { VhdLayout.WindowsRelative, VhdLayout.FileUrl, VhdLayout.WindowsAbsolute })
        {
            foreach (var locator in structure.Header.Locators)
            {
                if (locator.Platform == platform) return new VhdParentName(Decode(structure, locator), platform);
            }
        }

        return structure.Header.ParentName.Length > 0
            ? new VhdParentName(structure.Header.ParentName, 0)
            : throw structure.File.Mismatch((long)structure.Footers.Current.DataOffset + 64, "Parent Unicode Name", "a name where there is no parent locator for Windows and no file URL", "empty");
    }

    /// <summary>The name for a parent found at <paramref name="name"/> from the directory of the child at <paramref name="childPath"/>: relative to the child, Windows' separators.</summary>
    /// <exception cref="NotSupportedException">The name cannot be said so.</exception>
    public static VhdParentName For(string childPath, string name)
    {
        var directory = Path.GetDirectoryName(Path.GetFullPath(childPath))!;
        var relative = Path.GetRelativePath(directory, Path.GetFullPath(name, directory));
        if (!OperatingSystem.IsWindows() && relative.Contains('\\', StringComparison.Ordinal)) throw new NotSupportedException($"a VHD cannot name \"{name}\": it takes \"\\\" for a separator");
        relative = relative.Replace('/', '\\');
        if (!Path.IsPathRooted(relative) && !relative.StartsWith('.')) relative = @".\" + relative;
        if (relative.Length * 2 > BytesMax) throw new NotSupportedException($"a parent's name of more than {BytesMax / 2} characters is not written into a VHD");
        return new VhdParentName(relative, VhdLayout.WindowsRelative);
    }

    private static string Decode(VhdStructure structure, VhdLocator locator)
    {
        var (file, at) = (structure.File, (long)locator.Offset);
        if (locator.Length > BytesMax) throw file.Mismatch(at, "parent locator", $"of at most {BytesMax} bytes", $"of {locator.Length}");
        var isUrl = locator.Platform == VhdLayout.FileUrl;
        if (!isUrl && locator.Length % 2 != 0) throw file.Mismatch(at, "parent locator", "UTF-16 text", $"of {locator.Length} bytes");
        var bytes = new byte[locator.Length];
        file.Read(at, bytes, "parent locator");
        var name = (isUrl ? Encoding.UTF8 : Encoding.Unicode).GetString(bytes).TrimEnd('\0');
        return name.Length > 0 ? name : throw file.Mismatch(at, "parent locator", "a name", "empty");
    }
}
