using System.Buffers.Binary;

namespace VmRepl.Images.Vhd;

/// <summary>
/// The footer of a file, from its end or, where that one is damaged, from the copy at the front of dynamic and differencing disks ("Hard Disk Footer Format", "Checksum").
/// The end comes first, as there: in a fixed disk the front is the guest's, and a footer found there means nothing.
/// </summary>
/// <param name="Current">The one that counts.</param>
/// <param name="End">Where the footer at the end begins, which is where blocks end; the file's length where there is none.</param>
/// <param name="IsEndSound">Whether there is a sound one at the end.</param>
/// <param name="Front">The sound copy at the front; null where it is damaged and in fixed disks.</param>
internal sealed record VhdFooters(VhdFooter Current, long End, bool IsEndSound, VhdFooter? Front)
{
    /// <exception cref="ImageFormatException">No sound footer is found, or it says what cannot be.</exception>
    public static VhdFooters Read(VhdFile file)
    {
        var length = file.File.Length;
        if (length < VhdLayout.ShortFooterBytes) throw file.Mismatch(0, "footer", $"of {VhdLayout.FooterBytes} bytes", $"in a file of {length}");
        var tail = new byte[Math.Min(VhdLayout.FooterBytes, length)];
        file.Read(length - tail.Length, tail, "footer");
        var (atEnd, bytes) = FindLast(tail);
        if (atEnd is { Type: VhdType.Fixed })
        {
            atEnd.Require(file, length - bytes);
            return new VhdFooters(atEnd, length - bytes, true, null);
        }

        var head = new byte[tail.Length];
        file.Read(0, head, "footer");
        var front = VhdFooter.TryParse(head);
        if (atEnd is not null)
        {
            atEnd.Require(file, length - bytes);
            return new VhdFooters(atEnd, length - bytes, true, front);
        }

        if (front is not { Type: VhdType.Dynamic or VhdType.Differencing }) throw Damaged(file, length, tail, head);
        front.Require(file, 0);
        return new VhdFooters(front, length, false, front);
    }

    /// <summary>The sound footer in the last bytes of a file, and how many bytes it has there.</summary>
    public static (VhdFooter? Footer, int Bytes) FindLast(ReadOnlySpan<byte> tail)
    {
        if (tail.Length >= VhdLayout.FooterBytes && VhdFooter.TryParse(tail[^VhdLayout.FooterBytes..]) is { } footer) return (footer, VhdLayout.FooterBytes);
        return tail.Length >= VhdLayout.ShortFooterBytes ? (VhdFooter.TryParse(tail[^VhdLayout.ShortFooterBytes..]), VhdLayout.ShortFooterBytes) : (null, 0);
    }

    private static ImageFormatException Damaged(VhdFile file, long length, byte[] tail, byte[] head)
    {
        foreach (var (at, bytes) in new[] { (length - tail.Length, tail), (0L, head) })
        {
            if (!bytes.AsSpan().StartsWith(VhdLayout.FooterCookie)) continue;
            var whole = new byte[VhdLayout.FooterBytes];
            bytes.CopyTo(whole, 0);
            var (found, expected) = (BinaryPrimitives.ReadUInt32BigEndian(whole.AsSpan(64)), VhdChecksum.Compute(whole, 64));
            return found == expected
                ? file.Mismatch(length - VhdLayout.FooterBytes, "footer", "sound at the end, or at the front of type 3 or 4", $"missing at the end, and at the front of type {BinaryPrimitives.ReadInt32BigEndian(whole.AsSpan(60))}, which keeps none there")
                : file.Mismatch(at + 64, "footer Checksum", $"{expected:x8}, which the bytes give", $"{found:x8}, and there is no other sound footer");
        }

        return file.Mismatch(length - tail.Length, "footer Cookie", "\"conectix\", here or at the front", "neither");
    }
}
