using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vmdk;

/// <summary>
/// A streamOptimized VMDK on its way out (Virtual Disk Format 5.0, "Stream-Optimized Compressed Sparse Extents"): compressed grains in the disk's order, each grain table behind its grains,
/// at the end the directory, a footer that names it, and the end-of-stream marker. The file is only ever appended to. Not safe for concurrent use.
/// <code>
/// header | descriptor | … grains, padded to sectors … | marker, grain table | … | marker, directory | marker, footer | end of stream
/// </code>
/// </summary>
internal sealed class StreamOptimizedImage : ISequentialImage
{
    /// <summary>Grains that are compressed at a time, by as many threads as the machine has processors.</summary>
    private const int GrainsAtOnce = 32;

    private const int MarkerTable = 1, MarkerDirectory = 2, MarkerFooter = 3;

    private readonly IHostFile file;
    private readonly SparseHeader header;
    private readonly uint[] directory;
    private readonly List<(long Grain, byte[] Plain)> waiting = [];
    private readonly Stack<byte[]> buffers = new();
    private uint[] table = new uint[VmdkLayout.TableEntriesMax];
    private long tableNumber;
    private long position;
    private long filled;
    private bool isComplete;

    /// <param name="file">New and empty; owned.</param>
    /// <param name="length">Bytes of the disk.</param>
    /// <param name="newGuid">Randomness for the CID.</param>
    public StreamOptimizedImage(IHostFile file, long length, Func<Guid> newGuid)
    {
        this.file = file;
        Length = length;
        header = new SparseHeader
        {
            // 3, as VMware and QEMU have it for compressed extents.
            Version = 3,
            Flags = SparseFlags.NewlineTest | SparseFlags.Compressed | SparseFlags.Markers,
            CapacitySectors = length / VmdkLayout.SectorBytes,
            GrainSectors = VmdkWriter.GrainSectors,
            DescriptorSector = 1,
            DescriptorSectors = VmdkWriter.DescriptorSectors,
            DirectorySector = -1,
            OverheadSectors = VmdkWriter.GrainSectors,
        };
        if (header.Tables * sizeof(uint) > VmdkLayout.DirectoryBytesMax) throw new NotSupportedException($"a disk of {length} bytes is too long for a streamOptimized VMDK");
        directory = new uint[header.Tables];
        file.SetLength(header.OverheadSectors * VmdkLayout.SectorBytes);
        file.Write(0, header.ToBytes());
        file.Write(VmdkLayout.SectorBytes, VmdkWriter.Describe(file.Path, header.CapacitySectors, VmdkContentId.Next(newGuid), "streamOptimized", parent: null));
        position = header.OverheadSectors * VmdkLayout.SectorBytes;
    }

    public ImageFormat Format => ImageFormat.Vmdk;

    public ImageDescription Description => new() { ClusterSize = header.GrainBytes, Details = new Dictionary<string, string> { ["create-type"] = "streamOptimized" } };

    public IReadOnlyList<IHostFile> Files => [file];

    public long Length { get; }

    public int SectorSize => VmdkLayout.SectorBytes;

    public bool IsReadOnly => false;

    public void Read(long offset, Span<byte> buffer) => throw Sequential("read back");

    public IEnumerable<MapExtent> Map(long offset, long length) => throw Sequential("read back");

    public IEnumerable<ImageFinding> Check() => throw Sequential("read back");

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        if (isComplete) throw Sequential("written after its end");
        if (offset < filled || data.Length > Length - offset) throw Sequential($"written at {offset} ({data.Length} bytes) when it is filled up to {filled}");
        while (data.Length > 0)
        {
            var inGrain = (int)(offset % header.GrainBytes);
            var count = Math.Min(data.Length, header.GrainBytes - inGrain);
            data[..count].CopyTo(Plain(offset / header.GrainBytes).AsSpan(inGrain));
            data = data[count..];
            offset += count;
        }

        filled = offset;
    }

    /// <summary>Zeros are what is not written: the range is passed over.</summary>
    public void Zero(long offset, long length)
    {
        if (offset < filled || length > Length - offset) throw Sequential($"zeroed at {offset} when it is filled up to {filled}");
        filled = offset + length;
    }

    public void Punch(long offset, long length) => Zero(offset, length);

    public void Flush() => file.Flush();

    public void Complete()
    {
        if (isComplete) return;
        Append();
        EndTable();
        var bytes = new byte[Sectors.AlignUp(directory.Length * sizeof(uint), VmdkLayout.SectorBytes)];
        for (var i = 0; i < directory.Length; i++) BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(i * sizeof(uint)), directory[i]);
        var place = Put(MarkerDirectory, bytes);
        Put(MarkerFooter, (header with { DirectorySector = place }).ToBytes());
        Put(new byte[VmdkLayout.SectorBytes]);
        isComplete = true;
    }

    public void Dispose() => file.Dispose();

    private byte[] Plain(long grain)
    {
        if (waiting.Count > 0 && waiting[^1].Grain == grain) return waiting[^1].Plain;
        if (waiting.Count == GrainsAtOnce) Append();
        if (!buffers.TryPop(out var plain)) plain = new byte[header.GrainBytes];
        waiting.Add((grain, plain));
        return plain;
    }

    private void Append()
    {
        var packed = new byte[waiting.Count][];
        Parallel.For(0, waiting.Count, i => packed[i] = Pack(waiting[i].Grain, waiting[i].Plain));
        for (var i = 0; i < waiting.Count; i++)
        {
            var (grain, plain) = waiting[i];
            if (packed[i].Length > 0)
            {
                if (grain / VmdkLayout.TableEntriesMax != tableNumber) EndTable();
                tableNumber = grain / VmdkLayout.TableEntriesMax;
                table[grain % VmdkLayout.TableEntriesMax] = Sector();
                Put(packed[i]);
            }

            plain.AsSpan().Clear();
            buffers.Push(plain);
        }

        waiting.Clear();
    }

    /// <summary>The grain with its marker, padded to sectors; nothing for a grain of zeros. The last grain of the disk is packed whole: some readers know no short one.</summary>
    private byte[] Pack(long grain, byte[] plain)
    {
        if (Sectors.IsZero(plain)) return [];
        using var stream = new MemoryStream();
        stream.Write(new byte[CompressedGrains.MarkerBytes]);
        using (var deflate = new ZLibStream(stream, CompressionLevel.Fastest, leaveOpen: true)) deflate.Write(plain);
        var length = (int)stream.Length;
        stream.SetLength(Sectors.AlignUp(length, VmdkLayout.SectorBytes));
        var bytes = stream.ToArray();
        BinaryPrimitives.WriteInt64LittleEndian(bytes, grain * header.GrainSectors);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(8), length - CompressedGrains.MarkerBytes);
        return bytes;
    }

    private void EndTable()
    {
        if (!table.AsSpan().ContainsAnyExcept(0u)) return;
        var bytes = new byte[table.Length * sizeof(uint)];
        for (var i = 0; i < table.Length; i++) BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(i * sizeof(uint)), table[i]);
        directory[tableNumber] = (uint)Put(MarkerTable, bytes);
        table.AsSpan().Clear();
    }

    /// <summary>Appends a marker and what it announces; returns the sector of the latter.</summary>
    private long Put(int type, byte[] bytes)
    {
        var marker = new byte[VmdkLayout.SectorBytes];
        BinaryPrimitives.WriteInt64LittleEndian(marker, bytes.Length / VmdkLayout.SectorBytes);
        BinaryPrimitives.WriteInt32LittleEndian(marker.AsSpan(12), type);
        Put(marker);
        var sector = Sector();
        Put(bytes);
        return sector;
    }

    private void Put(byte[] bytes)
    {
        file.Write(position, bytes);
        position += bytes.Length;
    }

    private uint Sector() => position / VmdkLayout.SectorBytes <= uint.MaxValue ? (uint)(position / VmdkLayout.SectorBytes) : throw new IOException($"{file.Path}: a VMDK extent cannot grow past 2 TiB");

    private NotSupportedException Sequential(string what) => new($"{file.Path}: a streamOptimized VMDK is written from start to end; it cannot be {what}");
}
