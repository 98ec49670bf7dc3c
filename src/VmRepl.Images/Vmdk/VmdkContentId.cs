using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vmdk;

/// <summary>
/// The CID in a descriptor, changed in place, durably, before the first write of a session: a delta made on the former contents then no longer fits, and says so.
/// </summary>
internal sealed class VmdkContentId
{
    private const int Digits = 8;

    private readonly IHostFile file;
    private readonly long digitsOffset;
    private readonly Func<Guid> newGuid;
    private readonly Lock gate = new();
    private volatile bool isChanged;

    /// <param name="file">The file with the descriptor.</param>
    /// <param name="descriptorOffset">Where in it the text begins.</param>
    /// <param name="text">The text as it stands there.</param>
    /// <param name="cid">What it says now.</param>
    /// <param name="newGuid">Randomness.</param>
    /// <exception cref="ImageFormatException">The CID is not eight digits on a line of its own, so it cannot be replaced in place.</exception>
    public VmdkContentId(IHostFile file, long descriptorOffset, ReadOnlySpan<byte> text, uint cid, Func<Guid> newGuid)
    {
        this.file = file;
        this.newGuid = newGuid;
        Current = cid;
        var at = text.IndexOf("\nCID="u8);
        if (at < 0 || text.Length < at + 5 + Digits || !uint.TryParse(text.Slice(at + 5, Digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var found) || found != cid)
            throw new ImageFormatException(file.Path, descriptorOffset, "descriptor CID", "is not written as CID= and eight digits; it cannot be changed in place, so the disk is not written");
        digitsOffset = descriptorOffset + at + 5;
    }

    public uint Current { get; private set; }

    /// <summary>For a disk made just now: its CID is new as it is.</summary>
    public void MarkChanged() => isChanged = true;

    public void ChangeOnce()
    {
        if (isChanged) return;
        lock (gate)
        {
            if (isChanged) return;
            var next = Next(newGuid, Current);
            file.Write(digitsOffset, Encoding.ASCII.GetBytes(next.ToString("x8", CultureInfo.InvariantCulture)));
            file.Flush();
            Current = next;
            isChanged = true;
        }
    }

    /// <summary>A content identifier other than <paramref name="former"/> that means neither "no parent" nor "none yet".</summary>
    public static uint Next(Func<Guid> newGuid, uint former = 0)
    {
        Span<byte> random = stackalloc byte[16];
        newGuid().TryWriteBytes(random);
        var next = BinaryPrimitives.ReadUInt32LittleEndian(random);
        while (next is 0 or >= 0xFFFFFFFE || next == former) next = (next * 5) + 0x766D7265;
        return next;
    }
}
