using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vhdx;

/// <summary>
/// A VHDX file as it reads once its log is replayed ([MS-VHDX] 2.3.3). Where the file may not be written, the log's sectors stay in memory and lie over it.
/// A read that the file cannot fill is a typed error, never zeros.
/// </summary>
internal sealed class VhdxFile(IHostFile file)
{
    private readonly Dictionary<long, byte[]> sectors = [];
    private readonly ExtentSet zeros = new();
    private readonly KnownHole holes = new(file);
    private long lengthFromLog;

    public IHostFile File => file;

    public string Path => file.Path;

    /// <summary>Length in bytes, with the growth that the log promises.</summary>
    public long Length => Math.Max(file.Length, lengthFromLog);

    /// <summary>Fills <paramref name="buffer"/>; <paramref name="field"/> says in the error what was being read.</summary>
    /// <exception cref="ImageFormatException">The range passes the end of the file.</exception>
    public void Read(long offset, Span<byte> buffer, string field)
    {
        if (offset < 0 || offset > Length || buffer.Length > Length - offset)
            throw Mismatch(offset, field, $"{buffer.Length} bytes inside the file", $"behind its end at {Length}");
        var read = file.Read(offset, buffer);
        if (read < buffer.Length)
        {
            if (offset + buffer.Length > lengthFromLog) throw Mismatch(offset + read, field, $"{buffer.Length - read} more bytes", "behind the file's end, which was not there before");
            buffer[read..].Clear();
        }

        if (lengthFromLog == 0) return;
        foreach (var zero in zeros.Intersect(new Extent(offset, buffer.Length)))
            buffer.Slice((int)(zero.Offset - offset), (int)zero.Length).Clear();
        if (sectors.Count == 0) return;
        const int size = VhdxLayout.LogSectorBytes;
        for (var at = Sectors.AlignDown(offset, size); at < offset + buffer.Length; at += size)
        {
            if (!sectors.TryGetValue(at, out var bytes)) continue;
            var from = Math.Max(at, offset);
            var to = Math.Min(at + size, offset + buffer.Length);
            bytes.AsSpan((int)(from - at), (int)(to - from)).CopyTo(buffer[(int)(from - offset)..]);
        }
    }

    /// <summary>A stored run cut at the holes of the host file (<see cref="StoredRuns"/>); whole where the log lies over the file.</summary>
    /// <param name="cursor">Of the pass over the map.</param>
    public IEnumerable<MapExtent> MapStored(MapExtent stored, StoredRunCursor cursor) => lengthFromLog != 0 ? [stored] : cursor.Map(stored);

    /// <summary>Where the hole of the file ends that <paramref name="offset"/> lies in; the same offset where it lies in none, the file may be written, or a log lies over it.</summary>
    public long HoleEnd(long offset) => lengthFromLog == 0 ? holes.EndAt(offset) : offset;

    /// <summary>Lays one sector of the log over the file, where nothing lies yet.</summary>
    public void Overlay(long offset, byte[] sector) => sectors.Add(offset, sector);

    /// <summary>Lays zeros of the log over the file, where nothing lies yet; both figures are multiples of 4096.</summary>
    public void OverlayZeros(Extent range) => zeros.Add(range);

    /// <summary>The file's length as the log has it.</summary>
    public void OverlayLength(long length) => lengthFromLog = Math.Max(lengthFromLog, length);

    /// <summary>A field whose value is not one of those that it may have (<see cref="ImageFormatException.Mismatch"/>).</summary>
    public ImageFormatException Mismatch(long offset, string field, string expected, string found) => ImageFormatException.Mismatch(file.Path, offset, field, expected, found);
}
