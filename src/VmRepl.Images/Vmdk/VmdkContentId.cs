using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vmdk;

/// <summary>
/// The CID in a descriptor (Virtual Disk Format 5.0, "The Header" of the descriptor file), changed in place, durably, before the first write of a session: a delta made on the former contents then no longer fits, and says so.
/// </summary>
internal sealed class VmdkContentId
{
    private static readonly SearchValues<byte> HexDigits = SearchValues.Create("0123456789abcdefABCDEF"u8);
    private const int DigitsMin = 4;
    private const int DigitsMax = 8;

    private readonly IHostFile file;
    private readonly long digitsOffset;
    private readonly int digits;
    private readonly Func<Guid> newGuid;
    private readonly Lock gate = new();
    private volatile bool isChanged;

    /// <param name="file">The file with the descriptor.</param>
    /// <param name="descriptorOffset">Where in it the text begins.</param>
    /// <param name="text">The text as it stands there.</param>
    /// <param name="cid">What it says now.</param>
    /// <param name="newGuid">Randomness.</param>
    /// <exception cref="ImageFormatException">The CID is not four to eight digits on a line of its own, so it cannot be replaced in place.</exception>
    public VmdkContentId(IHostFile file, long descriptorOffset, ReadOnlySpan<byte> text, uint cid, Func<Guid> newGuid)
    {
        this.file = file;
        this.newGuid = newGuid;
        Current = cid;
        DescriptorOffset = descriptorOffset;
        var at = text.IndexOf("\nCID="u8) + 5;
        // QEMU writes as many digits as the number has; the new one takes the same room.
        var length = at < 5 ? 0 : text[at..].IndexOfAnyExcept(HexDigits);
        if (length is < DigitsMin or > DigitsMax || !uint.TryParse(text.Slice(at, length), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var found) || found != cid)
            throw ImageFormatException.Mismatch(file.Path, descriptorOffset, "descriptor CID", $"written as CID= and {DigitsMin} to {DigitsMax} digits to be changed in place", "written otherwise, so the disk is not written");
        digits = length;
        digitsOffset = descriptorOffset + at;
    }

    public uint Current { get; private set; }

    /// <summary>Where in its file the descriptor's text begins.</summary>
    public long DescriptorOffset { get; }

    /// <summary>For a disk made just now: its CID is new as it is.</summary>
    public void MarkChanged() => isChanged = true;

    public void ChangeOnce()
    {
        if (isChanged) return;
        lock (gate)
        {
            if (isChanged) return;
            var next = Next(newGuid, Current, digits);
            file.Write(digitsOffset, Encoding.ASCII.GetBytes(next.ToString($"x{digits}", CultureInfo.InvariantCulture)));
            file.Flush();
            Current = next;
            isChanged = true;
        }
    }

    /// <summary>A content identifier of at most <paramref name="digits"/> digits, other than <paramref name="former"/>, that means neither "no parent" nor "none yet".</summary>
    public static uint Next(Func<Guid> newGuid, uint former = 0, int digits = DigitsMax)
    {
        Span<byte> random = stackalloc byte[16];
        newGuid().TryWriteBytes(random);
        var mask = uint.MaxValue >> (32 - (4 * digits));
        var next = BinaryPrimitives.ReadUInt32LittleEndian(random) & mask;
        while (next is 0 or >= 0xFFFFFFFE || next == former) next = ((next * 5) + 0x766D7265) & mask;
        return next;
    }
}
