using System.Globalization;

namespace VmRepl.Benchmarks.Contests;

/// <summary>Image files beside qemu-img: a file to another, two compared, a long map. Each in one process, from and into the page cache, nothing flushed. Their sources are made by qemu-img, but for the long map.</summary>
internal static class ImageContests
{
    private const int Piece = 1 << 20;
    private const int ScatteredClusters = 1_000_000;

    public static Contest MakeRawToQcow2(BenchRun run) => Convert(run, "raw-to-qcow2", "raw", "qcow2", Made(run, "raw"));

    public static Contest MakeVhdxToRaw(BenchRun run) => Convert(run, "vhdx-to-raw", "vhdx", "raw", Made(run, "vhdx", "-o", "subformat=dynamic"));

    public static Contest MakeVmdkToRaw(BenchRun run) => Convert(run, "vmdk-to-raw", "vmdk", "raw", Made(run, "vmdk"));

    public static Contest MakeCompressedToRaw(BenchRun run) => Convert(run, "compressed-to-raw", "qcow2", "raw", Compressed(run));

    public static Contest MakeCompare(BenchRun run)
    {
        var raw = Made(run, "raw");
        return new Contest("compare", "two equal disks, QCOW2 and raw", run.Source.DataBytes,
        [
            new Contestant("VmRepl", "vmrepl image compare source.qcow2 source.raw", () => Timing.Of(() => CommandLineTool.Run(run.VmRepl, "image", "compare", run.Source.Qcow2, raw, "--target-format", "raw"))),
            new Contestant("qemu-img", "qemu-img compare source.qcow2 source.raw", () => Timing.Of(() => CommandLineTool.Run("qemu-img", "compare", "-f", "qcow2", "-F", "raw", run.Source.Qcow2, raw))) { Needs = ["qemu-img"] },
        ])
        { Cleanup = () => File.Delete(raw) };
    }

    public static Contest MakeMap(BenchRun run)
    {
        var image = Path.Combine(run.Directory, "scattered.qcow2");
        ScatteredQcow2.Write(image, ScatteredClusters);
        return new Contest("map", string.Create(CultureInfo.InvariantCulture, $"QCOW2 with {ScatteredClusters} clusters, none beside another"), 0,
        [
            new Contestant("VmRepl", "vmrepl image map scattered.qcow2 --json", () => Timing.Of(() => CommandLineTool.Run(run.VmRepl, "image", "map", image, "--json"))),
            new Contestant("qemu-img", "qemu-img map --output=json scattered.qcow2", () => Timing.Of(() => CommandLineTool.Run("qemu-img", "map", "-f", "qcow2", "--output=json", image))) { Needs = ["qemu-img"] },
        ])
        { Cleanup = () => File.Delete(image) };
    }

    private static Contest Convert(BenchRun run, string name, string from, string to, string source)
    {
        var target = Path.Combine(run.Directory, "converted");
        return new Contest(name, $"{from} to {to}, a new file, not flushed", run.Source.DataBytes,
        [
            new Contestant("VmRepl", $"vmrepl image convert {Path.GetFileName(source)} out --format {to}", () => Timed(run.VmRepl, "image", "convert", source, target, "--format", to, "--source-format", from)),
            new Contestant("qemu-img", $"qemu-img convert -f {from} -O {to} {Path.GetFileName(source)} out", () => Timed("qemu-img", "convert", "-f", from, "-O", to, source, target)) { Needs = ["qemu-img"] },
        ])
        { Cleanup = () => File.Delete(source) };

        TimeSpan Timed(params string[] command)
        {
            try
            {
                return Timing.Of(() => CommandLineTool.Run(command));
            }
            finally
            {
                File.Delete(target);
            }
        }
    }

    /// <summary>The source disk in another format.</summary>
    private static string Made(BenchRun run, string format, params string[] options)
    {
        var path = Path.Combine(run.Directory, "source." + format);
        CommandLineTool.Run(["qemu-img", "convert", "-q", "-f", "qcow2", "-O", format, .. options, run.Source.Qcow2, path]);
        return path;
    }

    /// <summary>A disk of the source's size, every other MiB of text-like bytes that deflate halves; the source's own are random, and QEMU stores what does not get smaller as it is.</summary>
    private static string Compressed(BenchRun run)
    {
        var raw = Path.Combine(run.Directory, "text.raw");
        var path = Path.Combine(run.Directory, "compressed.qcow2");
        var random = new Random(1);
        var piece = new byte[Piece];
        using (var file = File.OpenHandle(raw, FileMode.CreateNew, FileAccess.ReadWrite))
        {
            RandomAccess.SetLength(file, run.Source.Length);
            for (long at = 0; at + Piece <= run.Source.Length; at += 2 * Piece)
            {
                random.NextBytes(piece);
                for (var i = 0; i < piece.Length; i++) piece[i] = (byte)('a' + (piece[i] & 15));
                RandomAccess.Write(file, piece, at);
            }
        }

        CommandLineTool.Run("qemu-img", "convert", "-q", "-c", "-f", "raw", "-O", "qcow2", raw, path);
        File.Delete(raw);
        return path;
    }
}
