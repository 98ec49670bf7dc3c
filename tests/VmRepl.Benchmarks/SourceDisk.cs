using System.Security.Cryptography;

namespace VmRepl.Benchmarks;

/// <summary>The disk that is protected: every other MiB random, the rest holes, as QCOW2 and as the raw file that it was made from.</summary>
/// <param name="Qcow2">Its path.</param>
/// <param name="Length">Bytes of the disk.</param>
/// <param name="DataBytes">Bytes of it that hold data.</param>
internal sealed record SourceDisk(string Qcow2, long Length, long DataBytes)
{
    private const int Piece = 1 << 20;

    public static SourceDisk Make(string directory, string vmrepl, int sizeMib)
    {
        var raw = Path.Combine(directory, "source.raw");
        var qcow2 = Path.Combine(directory, "source.qcow2");
        var length = (long)sizeMib * Piece;
        long data = 0;
        var random = new byte[Piece];
        using (var file = File.OpenHandle(raw, FileMode.CreateNew, FileAccess.ReadWrite))
        {
            RandomAccess.SetLength(file, length);
            for (long at = 0; at + Piece <= length; at += 2 * Piece, data += Piece)
            {
                RandomNumberGenerator.Fill(random);
                RandomAccess.Write(file, random, at);
            }
        }

        if (CommandLineTool.Exists("qemu-img")) CommandLineTool.Run("qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", raw, qcow2);
        else CommandLineTool.Run(vmrepl, "image", "convert", raw, qcow2, "--format", "qcow2", "--source-format", "raw");
        File.Delete(raw);
        CommandLineTool.Run("sync");
        // Read once, so that every contestant finds it in the page cache.
        using var source = File.OpenRead(qcow2);
        source.CopyTo(Stream.Null);
        return new SourceDisk(qcow2, length, data);
    }
}
