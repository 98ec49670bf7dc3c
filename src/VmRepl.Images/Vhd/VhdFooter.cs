using System.Buffers.Binary;
using System.Text;

namespace VmRepl.Images.Vhd;

/// <summary>
/// A hard disk footer ("Hard Disk Footer Format"). Kept as its bytes, so that what we do not know of is written back as it was.
/// <code>
/// 0   8  Cookie, "conectix"          40  8  Original Size
/// 8   4  Features                    48  8  Current Size
/// 12  4  File Format Version         56  4  Disk Geometry: cylinders 2, heads 1, sectors 1
/// 16  8  Data Offset                 60  4  Disk Type
/// 24  4  Time Stamp                  64  4  Checksum
/// 28  4  Creator Application         68  16 Unique Id
/// 32  4  Creator Version             84  1  Saved State
/// 36  4  Creator Host OS             85     reserved
/// </code>
/// </summary>
internal sealed class VhdFooter
{
    private const int ChecksumField = 64;
    private const uint ReservedFeature = 2;

    private readonly byte[] bytes;

    private VhdFooter(byte[] bytes) => this.bytes = bytes;

    /// <summary>The 512 bytes of the footer ("Hard Disk Footer Format").</summary>
    public ReadOnlySpan<byte> Bytes => bytes;

    /// <summary>"Data Offset": where the dynamic disk header lies, bytes; all ones in a fixed disk.</summary>
    public ulong DataOffset => BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(16));

    /// <summary>"Time Stamp": seconds since <see cref="VhdLayout.Epoch"/>.</summary>
    public uint TimeStamp => BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(24));

    /// <summary>"Creator Application": four characters.</summary>
    public string Creator => Encoding.Latin1.GetString(bytes, 28, 4).TrimEnd(' ', '\0');

    /// <summary>"Current Size": bytes of the disk. What every writer fills in, and no less than the geometry; so it is our size, whoever made the file.</summary>
    public ulong CurrentSize => BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(48));

    /// <summary>"Disk Geometry".</summary>
    public VhdGeometry Geometry => new(BinaryPrimitives.ReadUInt16BigEndian(bytes.AsSpan(56)), bytes[58], bytes[59]);

    /// <summary>"Disk Type".</summary>
    public VhdType Type => (VhdType)BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(60));

    /// <summary>"Unique Id": what a child names its parent by.</summary>
    public Guid UniqueId => new(bytes.AsSpan(68, 16), bigEndian: true);

    /// <summary>"Saved State": whether a virtual machine that uses the disk is suspended.</summary>
    public bool IsSavedState => bytes[84] != 0;

    /// <summary>The footer in these 512 or 511 bytes, or null where the cookie or the checksum is not right.</summary>
    public static VhdFooter? TryParse(ReadOnlySpan<byte> from)
    {
        if (!from.StartsWith(VhdLayout.FooterCookie)) return null;
        // The byte that the old footer lacks is reserved: zero, and nothing to the sum.
        var bytes = new byte[VhdLayout.FooterBytes];
        from.CopyTo(bytes);
        return BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(ChecksumField)) == VhdChecksum.Compute(bytes, ChecksumField) ? new VhdFooter(bytes) : null;
    }

    /// <summary>A new disk's footer.</summary>
    public static VhdFooter For(VhdType type, long length, Guid id, uint timeStamp)
    {
        var bytes = new byte[VhdLayout.FooterBytes];
        VhdLayout.FooterCookie.CopyTo(bytes);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(8), ReservedFeature);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(12), VhdLayout.Version);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(16), type == VhdType.Fixed ? ulong.MaxValue : VhdLayout.FooterBytes);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(24), timeStamp);
        // Hyper-V's name and version: QEMU takes the size of a disk with a name that it does not know from the geometry, which would cut it short.
        "win \0\u000a\0\0Wi2k"u8.CopyTo(bytes.AsSpan(28));
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(40), length);
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(48), length);
        PutGeometry(bytes, length);
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(60), (int)type);
        id.TryWriteBytes(bytes.AsSpan(68), bigEndian: true, out _);
        VhdChecksum.Put(bytes, ChecksumField);
        return new VhdFooter(bytes);
    }

    /// <summary>The same footer with another "Time Stamp".</summary>
    public VhdFooter At(uint timeStamp)
    {
        byte[] changed = [.. bytes];
        BinaryPrimitives.WriteUInt32BigEndian(changed.AsSpan(24), timeStamp);
        VhdChecksum.Put(changed, ChecksumField);
        return new VhdFooter(changed);
    }

    /// <summary>The same footer for a disk of another size; "Original Size" stays.</summary>
    public VhdFooter Resized(long length)
    {
        byte[] changed = [.. bytes];
        BinaryPrimitives.WriteInt64BigEndian(changed.AsSpan(48), length);
        PutGeometry(changed, length);
        VhdChecksum.Put(changed, ChecksumField);
        return new VhdFooter(changed);
    }

    /// <summary>Whether two footers differ in nothing but time stamp and checksum.</summary>
    public bool IsLike(VhdFooter other) => bytes.AsSpan().SequenceEqual(other.At(TimeStamp).bytes);

    /// <summary>Refuses what no reader of this version can read.</summary>
    /// <param name="file">For errors.</param>
    /// <param name="offset">Where the footer stands in it.</param>
    /// <exception cref="ImageFormatException">Version, type or size is out of bounds.</exception>
    public void Require(VhdFile file, long offset)
    {
        var major = BinaryPrimitives.ReadUInt16BigEndian(bytes.AsSpan(12));
        if (major != VhdLayout.VersionMajor) throw file.Mismatch(offset + 12, "File Format Version", $"{VhdLayout.VersionMajor}.x", $"{major}.x");
        if (Type is not (VhdType.Fixed or VhdType.Dynamic or VhdType.Differencing)) throw file.Mismatch(offset + 60, "Disk Type", "2 (fixed), 3 (dynamic) or 4 (differencing)", $"{(int)Type}");
        if (CurrentSize > (ulong)VhdLayout.LengthMax) throw file.Mismatch(offset + 48, "Current Size", $"at most {VhdLayout.LengthMax}", $"{CurrentSize}");
        if (CurrentSize == 0 || CurrentSize % VhdLayout.SectorBytes != 0) throw file.Mismatch(offset + 48, "Current Size", $"a multiple of {VhdLayout.SectorBytes} above 0", $"{CurrentSize}");
    }

    private static void PutGeometry(byte[] bytes, long length)
    {
        var geometry = VhdGeometry.Of(length / VhdLayout.SectorBytes);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(56), (ushort)geometry.Cylinders);
        bytes[58] = (byte)geometry.Heads;
        bytes[59] = (byte)geometry.SectorsPerTrack;
    }
}
