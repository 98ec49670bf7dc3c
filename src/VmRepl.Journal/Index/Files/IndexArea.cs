using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Journal.Index.Files;

/// <summary>A part of an index file that is read at opening, whole.</summary>
/// <param name="Offset">In the file.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="Checksum">CRC-32C of it.</param>
internal readonly record struct IndexArea(long Offset, long Bytes, uint Checksum)
{
    /// <summary>Whether it lies between the header and the end of a file of that many bytes, so that its length may be believed.</summary>
    public bool Fits(long fileBytes) => Offset >= IndexLayout.HeaderBytes && Bytes >= 0 && Bytes <= Array.MaxLength && Offset <= fileBytes - Bytes;

    /// <summary>Reads and verifies it; it has been compared with the file's length.</summary>
    /// <exception cref="JournalDamagedException">It does not verify.</exception>
    public byte[] Read(IHostFile file, string name)
    {
        var area = new byte[Bytes];
        if (file.Read(Offset, area) != area.Length || Crc32C.Compute(area) != Checksum) throw new JournalDamagedException(file.Path, Offset, $"the {name} of the index do not verify");
        return area;
    }
}
