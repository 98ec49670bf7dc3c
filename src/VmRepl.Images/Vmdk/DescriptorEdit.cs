using System.Globalization;
using System.Text;

namespace VmRepl.Images.Vmdk;

/// <summary>A change of the extent's size in a descriptor's text, made so that one sector is written: it is then there as a whole or not at all.</summary>
internal sealed record DescriptorEdit(long FileOffset, byte[] Bytes)
{
    /// <param name="path">For the message.</param>
    /// <param name="offset">Where in the file the text begins.</param>
    /// <param name="room">Bytes that the text may have there.</param>
    /// <param name="text">The text, perhaps padded with NULs.</param>
    /// <param name="sectors">The size that the disk's one extent gets.</param>
    /// <exception cref="NotSupportedException">More than one sector would have to be written.</exception>
    public static DescriptorEdit Of(string path, long offset, long room, ReadOnlySpan<byte> text, long sectors)
    {
        var end = text.IndexOf((byte)0);
        if (end < 0) end = text.Length;
        var (start, length) = SizeField(Encoding.Latin1.GetString(text[..end]));
        var digits = Encoding.ASCII.GetBytes(sectors.ToString(CultureInfo.InvariantCulture));
        byte[] bytes = digits.Length == length ? digits : [.. digits, .. text[(start + length)..end]];
        // A shorter number leaves the former end behind it.
        if (digits.Length < length) bytes = [.. bytes, .. Enumerable.Repeat((byte)'\n', length - digits.Length)];
        var at = offset + start;
        if (start + bytes.Length > room || at / VmdkLayout.SectorBytes != (at + bytes.Length - 1) / VmdkLayout.SectorBytes)
            throw new NotSupportedException($"{path}: the descriptor's new size does not fit into the sector that holds the old one, and is not written in two parts");
        return new DescriptorEdit(at, bytes);
    }

    private static (int Start, int Length) SizeField(string text)
    {
        for (var line = 0; line < text.Length;)
        {
            var end = text.IndexOf('\n', line);
            if (end < 0) end = text.Length;
            var trimmed = text[line..end].Trim();
            if (VmdkExtentParser.IsExtent(trimmed))
            {
                var start = text.AsSpan(line, end - line).IndexOfAnyInRange('0', '9') + line;
                var length = text.AsSpan(start).IndexOfAnyExceptInRange('0', '9');
                return (start, length);
            }

            line = end + 1;
        }

        throw new ArgumentException("the descriptor has no extent line", nameof(text));
    }
}
