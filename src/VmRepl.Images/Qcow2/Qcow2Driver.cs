using System.Buffers.Binary;
using VmRepl.Blocks.Files;
using VmRepl.Images.Opening;

namespace VmRepl.Images.Qcow2;

/// <summary>QCOW2, versions 2 and 3.</summary>
internal sealed class Qcow2Driver : IImageDriver
{
    public ImageFormat Format => ImageFormat.Qcow2;

    public bool Recognizes(ReadOnlySpan<byte> head) => head.Length >= 8 && BinaryPrimitives.ReadUInt32BigEndian(head) == Qcow2Layout.Magic;

    public IDiskImage Open(IHostFile file, ImageContext context)
    {
        IHostFile? dataFile = null;
        IDiskImage? parent = null;
        try
        {
            var header = Qcow2HeaderReader.Read(file);
            if (context.Snapshot is { } snapshot) header = Qcow2SnapshotTable.Select(file, header, snapshot);
            if (header.Compression == Qcow2Compression.Zstd && !Zstd.IsAvailable)
                throw ImageFormatException.Mismatch(file.Path, Qcow2Layout.CompressionAt, "compression_type", "0 (deflate) where libzstd is not installed", "1 (zstd)");
            if (context.Writable) Qcow2Writer.RequireWritable(file, header);
            if (header.HasExternalData) dataFile = context.OpenPart(file, header.Extensions.DataFile!);
            if (header.BackingFile is { } backing) parent = context.OpenParent(file, backing, BackingFormat(file, header));
            return new Qcow2Image(file, dataFile ?? file, header, parent, context.Tables, context.Writable) { IsSnapshot = context.Snapshot is not null };
        }
        catch
        {
            parent?.Dispose();
            dataFile?.Dispose();
            throw;
        }
    }

    public IDiskImage Create(IHostFile file, long length, ImageCreateOptions options, TableMemory memory) => Write(file, length, options, parent: null, memory);

    public IDiskImage CreateOverlay(IHostFile file, long length, ImageCreateOptions options, IDiskImage parent, TableMemory memory) => Write(file, length, options, parent, memory);

    private static Qcow2Image Write(IHostFile file, long length, ImageCreateOptions options, IDiskImage? parent, TableMemory memory)
    {
        if (options.SectorSize != Blocks.Sectors.Size) throw new NotSupportedException("QCOW2 cannot say that a disk has sectors of 4096 bytes");
        if (options.Subformat is { } kind) throw new NotSupportedException($"QCOW2 has no subformat \"{kind}\"");
        Qcow2Creator.Write(file, length, options.Backing);
        return new Qcow2Image(file, file, Qcow2HeaderReader.Read(file), parent, memory, canWrite: true, isNew: true);
    }

    /// <summary>The parent's format is what the image says. It is never probed: a raw guest disk can be given any first bytes by its guest.</summary>
    private static ImageFormat BackingFormat(IHostFile file, Qcow2Header header)
    {
        var name = header.Extensions.BackingFormat;
        if (string.IsNullOrEmpty(name))
        {
            throw ImageFormatException.Mismatch(file.Path, Qcow2Layout.BackingOffsetAt, "backing format",
                "there beside the name of a backing file", $"missing for \"{header.BackingFile}\"; name it with qemu-img rebase -u -b FILE -F FORMAT");
        }

        return ImageFormatNames.TryParse(name, out var format)
            ? format
            : throw ImageFormatException.Mismatch(file.Path, Qcow2Layout.BackingOffsetAt, "backing format", "raw, qcow2, vhdx, vmdk or vpc", $"\"{name}\"");
    }
}
