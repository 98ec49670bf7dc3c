using System.Text;
using VmRepl.Images;
using VmRepl.Images.Tests.Vhdx;
using VmRepl.Images.Tests.Vmdk;

namespace VmRepl.Fuzz.Corpus;

/// <summary>Images that are made for the run: by our own writers, and by generators that share nothing with the readers. They are small, and hold every structure that a reader knows.</summary>
internal static class GeneratedImages
{
    private const int MiB = 1 << 20;
    private static readonly Guid LogGuid = new("00000000-0000-0000-0000-0000000000f1");

    public static List<CorpusImage> Make()
    {
        var folder = Directory.CreateTempSubdirectory("vmrepl-fuzz-");
        try
        {
            return [.. Qcow2(folder.FullName), .. Vhdx(folder.FullName), .. Vmdk(folder.FullName), .. Vhd(folder.FullName), CorpusImages.Described("raw", ImageFormat.Raw, [("disk.raw", Noise(1, 100_001))])];
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static IEnumerable<CorpusImage> Qcow2(string folder)
    {
        Create(folder, "own.qcow2", ImageFormat.Qcow2, MiB, null);
        Create(folder, "top.qcow2", ImageFormat.Qcow2, MiB, new ImageBacking("own.qcow2", ImageFormat.Qcow2));
        File.WriteAllBytes(Path.Combine(folder, "base.raw"), Noise(2, 300_000));
        Create(folder, "over-raw.qcow2", ImageFormat.Qcow2, MiB, new ImageBacking("base.raw", ImageFormat.Raw));
        yield return Read(folder, ImageFormat.Qcow2, "own.qcow2");
        yield return Read(folder, ImageFormat.Qcow2, "top.qcow2", "own.qcow2");
        yield return Read(folder, ImageFormat.Qcow2, "over-raw.qcow2", "base.raw");
        yield return Forged("clusters-512.qcow2", new Qcow2Forge { ClusterBits = 9, RefcountOrder = 4 });
        yield return Forged("refcounts-1.qcow2", new Qcow2Forge { ClusterBits = 12, RefcountOrder = 0 });
        yield return Forged("refcounts-64.qcow2", new Qcow2Forge { ClusterBits = 12, RefcountOrder = 6 });
        yield return Forged("extended.qcow2", new Qcow2Forge { ClusterBits = 14, IsExtended = true });
        var outside = new Qcow2Forge { ClusterBits = 12, DataFile = "data.raw" };
        yield return CorpusImages.Described("data-file.qcow2", ImageFormat.Qcow2, [("data-file.qcow2", outside.Make(3)), ("data.raw", Noise(3, 256 << 10))]);

        static CorpusImage Forged(string name, Qcow2Forge forge) => CorpusImages.Described(name, ImageFormat.Qcow2, [(name, forge.Make(4))]);
    }

    private static IEnumerable<CorpusImage> Vhdx(string folder)
    {
        Create(folder, "own.vhdx", ImageFormat.Vhdx, 3 * MiB, null);
        Create(folder, "child.vhdx", ImageFormat.Vhdx, 3 * MiB, new ImageBacking("own.vhdx", ImageFormat.Vhdx));
        yield return Read(folder, ImageFormat.Vhdx, "own.vhdx");
        yield return Read(folder, ImageFormat.Vhdx, "child.vhdx", "own.vhdx");
        foreach (var sector in new[] { 512, 4096 })
        {
            var (linkage, name) = (new Guid("00000000-0000-0000-0000-0000000000a1"), $"base-{sector}.vhdx");
            bool[] here = [.. Enumerable.Range(0, MiB / sector).Select(i => i % 5 < 2)];
            new VhdxGenerator { Length = 4 * MiB, BlockSize = MiB, SectorSize = sector, DataWriteGuid = linkage, Blocks = new() { [0] = new(6, Noise(5, MiB)), [2] = new(2) } }
                .Write(Path.Combine(folder, name), 1);
            var top = new VhdxGenerator { Length = 4 * MiB, BlockSize = MiB, SectorSize = sector, Parent = (linkage, $@".\.\.\.\{name}"), Blocks = new() { [0] = new(7, Noise(6, MiB), here), [1] = new(6, Noise(7, MiB)), [3] = new(3) } };
            top.Write(Path.Combine(folder, $"partial-{sector}.vhdx"), 2);
            yield return Read(folder, ImageFormat.Vhdx, $"partial-{sector}.vhdx", name);
        }

        var forge = new VhdxForge(File.ReadAllBytes(Path.Combine(folder, "own.vhdx")));
        var whole = forge.BatSector();
        forge.SetBatEntry(1, 0);
        forge.SetLogGuid(LogGuid);
        var next = forge.PutLogEntry(forge.LogLength - 4096, 5, LogGuid, forge.LogLength - 4096, (forge.Bat, forge.BatSector()), (forge.Bat + 8192, null));
        forge.PutLogEntry(next, 6, LogGuid, forge.LogLength - 4096, (forge.Bat, whole));
        yield return CorpusImages.Described("log.vhdx", ImageFormat.Vhdx, [("log.vhdx", forge.File)]);
    }

    private static IEnumerable<CorpusImage> Vmdk(string folder)
    {
        Create(folder, "own.vmdk", ImageFormat.Vmdk, 3 * MiB, null);
        Create(folder, "delta.vmdk", ImageFormat.Vmdk, 3 * MiB, new ImageBacking("own.vmdk", ImageFormat.Vmdk));
        yield return Read(folder, ImageFormat.Vmdk, "own.vmdk");
        yield return Read(folder, ImageFormat.Vmdk, "delta.vmdk", "own.vmdk");
        Create(folder, "s001.vmdk", ImageFormat.Vmdk, MiB, null);
        Create(folder, "s002.vmdk", ImageFormat.Vmdk, MiB, null);
        Descriptor(folder, "split.vmdk", "twoGbMaxExtentSparse", "RW 2048 SPARSE \"s001.vmdk\"\nRW 2048 SPARSE \"s002.vmdk\"");
        yield return Read(folder, ImageFormat.Vmdk, "split.vmdk", "s001.vmdk", "s002.vmdk");
        File.WriteAllBytes(Path.Combine(folder, "flat.raw"), Noise(8, 200 << 10));
        Descriptor(folder, "flat.vmdk", "custom", "RW 200 FLAT \"flat.raw\" 0\nRW 64 ZERO\nRW 100 FLAT \"flat2.raw\" 8\nRW 32 VMFS \"flat3.raw\"");
        File.WriteAllBytes(Path.Combine(folder, "flat2.raw"), Noise(9, 100 << 10));
        File.WriteAllBytes(Path.Combine(folder, "flat3.raw"), Noise(9, 32 << 10));
        yield return Read(folder, ImageFormat.Vmdk, "flat.vmdk", "flat.raw", "flat2.raw", "flat3.raw");
        StreamForge.Write(Path.Combine(folder, "stream.vmdk"), [.. Noise(10, 200_192), .. new byte[300_032], .. Noise(11, 65_536)]);
        yield return Read(folder, ImageFormat.Vmdk, "stream.vmdk");
        EsxForge.WriteCowd(Path.Combine(folder, "cowd-extent.vmdk"), 20_000, 2, new Dictionary<int, byte[]> { [0] = Noise(12, 1024), [1] = Noise(13, 1024), [5000] = Noise(14, 1024) }, 1);
        Descriptor(folder, "cowd.vmdk", "vmfsSparse", "RW 20000 VMFSSPARSE \"cowd-extent.vmdk\"");
        yield return Read(folder, ImageFormat.Vmdk, "cowd.vmdk", "cowd-extent.vmdk");
        EsxForge.WriteSeSparse(Path.Combine(folder, "se-extent.vmdk"), 80_000, new Dictionary<int, byte[]?> { [0] = Noise(15, 4096), [1] = [], [2] = null, [9000] = Noise(16, 4096) }, 1);
        Descriptor(folder, "se.vmdk", "seSparse", "RW 80000 SESPARSE \"se-extent.vmdk\"", "own.vmdk");
        yield return Read(folder, ImageFormat.Vmdk, "se.vmdk", "se-extent.vmdk", "own.vmdk");
    }

    private static IEnumerable<CorpusImage> Vhd(string folder)
    {
        Create(folder, "own.vhd", ImageFormat.Vhd, 5 * MiB, null);
        Create(folder, "child.vhd", ImageFormat.Vhd, 5 * MiB, new ImageBacking("own.vhd", ImageFormat.Vhd));
        Create(folder, "fixed.vhd", ImageFormat.Vhd, MiB, null, "fixed");
        yield return Read(folder, ImageFormat.Vhd, "own.vhd");
        yield return Read(folder, ImageFormat.Vhd, "child.vhd", "own.vhd");
        yield return Read(folder, ImageFormat.Vhd, "fixed.vhd");
    }

    /// <summary>An image with some data at both ends and in the middle, and zeros over a part of it.</summary>
    private static void Create(string folder, string name, ImageFormat format, long length, ImageBacking? backing, string? subformat = null)
    {
        var number = 0;
        var options = new ImageCreateOptions { Backing = backing, Subformat = subformat, NewGuid = () => new Guid(name.Length, 1, (short)++number, new byte[8]) };
        using var image = DiskImages.Create(Path.Combine(folder, name), format, length, options);
        var noise = Noise(name.Length, 70_000);
        image.Write(0, noise);
        image.Write((length / 2) + 512, noise.AsSpan(0, 5_000));
        image.Write(length - 1024, noise.AsSpan(0, 1024));
        image.Zero(4096, 8192);
        image.Flush();
    }

    /// <summary>A descriptor of its own; of a delta where <paramref name="parent"/> is given.</summary>
    private static void Descriptor(string folder, string name, string type, string extents, string? parent = null)
    {
        var cid = uint.MaxValue;
        if (parent is not null)
        {
            var text = Encoding.Latin1.GetString(File.ReadAllBytes(Path.Combine(folder, parent)).AsSpan(512, 1024));
            cid = Convert.ToUInt32(text[(text.IndexOf("CID=", StringComparison.Ordinal) + 4)..][..8], 16);
        }

        EsxForge.WriteDescriptor(Path.Combine(folder, name), type, extents, 0x12345678, cid, parent);
    }

    private static CorpusImage Read(string folder, ImageFormat format, params string[] names) =>
        CorpusImages.Described(names[0], format, [.. names.Select(n => (n, File.ReadAllBytes(Path.Combine(folder, n))))]);

    /// <summary>Bytes of which none is zero.</summary>
    private static byte[] Noise(int seed, int length)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        for (var i = 0; i < length; i++) bytes[i] |= 1;
        return bytes;
    }
}
