using System.Text;

namespace VmRepl.Images.Vmdk;

/// <summary>
/// Tells a descriptor file by its first bytes (Virtual Disk Format 5.0, "The Descriptor File"). VMware's own begin with <c># Disk DescriptorFile</c>; that line is a comment, and other tools write
/// another one, none, or the mark of UTF-8 before it. What remains then is <c>version=1</c> as the first line that is no comment, which QEMU goes by too.
/// </summary>
internal static class DescriptorProbe
{
    public static ReadOnlySpan<byte> Utf8Mark => [0xEF, 0xBB, 0xBF];

    public static bool Recognizes(ReadOnlySpan<byte> head)
    {
        if (head.StartsWith(Utf8Mark)) head = head[Utf8Mark.Length..];
        if (head.Length >= VmdkLayout.DescriptorMagic.Length && Ascii.EqualsIgnoreCase(head[..VmdkLayout.DescriptorMagic.Length], VmdkLayout.DescriptorMagic)) return true;
        while (!head.IsEmpty)
        {
            var end = head.IndexOf((byte)'\n');
            var line = (end < 0 ? head : head[..end]).Trim(" \t\r"u8);
            if (!line.IsEmpty && line[0] != '#') return IsVersion(line);
            head = end < 0 ? [] : head[(end + 1)..];
        }

        return false;
    }

    private static bool IsVersion(ReadOnlySpan<byte> line)
    {
        var equals = line.IndexOf((byte)'=');
        if (equals < 0 || !Ascii.EqualsIgnoreCase(line[..equals].TrimEnd(" \t"u8), "version"u8)) return false;
        return line[(equals + 1)..].Trim(" \t\""u8) is [>= (byte)'1' and <= (byte)'3'];
    }
}
