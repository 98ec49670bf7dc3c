using System.Globalization;
using System.Text;

namespace VmRepl.EndToEnd.Guests;

/// <summary>Writes a cpio archive in the "newc" form, which the kernel unpacks as its initial RAM disk (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).</summary>
internal sealed class CpioArchive
{
    private const uint Directory = 0x41ED, Executable = 0x81ED, CharacterDevice = 0x2180;

    private readonly MemoryStream archive = new();
    private uint inode;

    public CpioArchive AddDirectory(string name) => Add(name, Directory, [], 0, 0);

    public CpioArchive AddFile(string name, byte[] contents) => Add(name, Executable, contents, 0, 0);

    public CpioArchive AddDevice(string name, uint major, uint minor) => Add(name, CharacterDevice, [], major, minor);

    public byte[] ToArray()
    {
        Add("TRAILER!!!", 0, [], 0, 0);
        return archive.ToArray();
    }

    private CpioArchive Add(string name, uint mode, byte[] contents, uint major, uint minor)
    {
        uint[] fields = [++inode, mode, 0, 0, 1, 0, (uint)contents.Length, 0, 0, major, minor, (uint)name.Length + 1, 0];
        var header = "070701" + string.Concat(fields.Select(field => field.ToString("X8", CultureInfo.InvariantCulture)));
        archive.Write(Encoding.ASCII.GetBytes(header + name + "\0"));
        Pad();
        archive.Write(contents);
        Pad();
        return this;
    }

    private void Pad()
    {
        while (archive.Length % 4 != 0) archive.WriteByte(0);
    }
}
