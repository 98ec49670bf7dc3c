using System.Globalization;

namespace VmRepl.EndToEnd.Disks;

/// <summary>A disk image with random contents and no file system, made and changed by qemu-img and qemu-io.</summary>
internal sealed class PlainDisk
{
    private readonly string directory;
    private readonly Random random;

    private PlainDisk(string directory, string name, string format, Random random)
    {
        (this.directory, this.random) = (directory, random);
        (Name, Format) = (name, format);
    }

    public string Name { get; }

    public string Format { get; }

    public string File => Path.Combine(directory, $"{Name}.{Format}");

    /// <summary>The value of <c>--disk</c>.</summary>
    public string Argument => $"{Name}={File},format={Format}";

    /// <param name="dataMiB">MiB of incompressible contents, spread over the disk.</param>
    public static PlainDisk Create(string directory, string name, string format, int sizeMiB, int dataMiB, int seed)
    {
        var disk = new PlainDisk(directory, name, format, new Random(seed));
        var raw = Path.Combine(directory, name + ".new");
        using (var file = System.IO.File.Create(raw))
        {
            file.SetLength((long)sizeMiB << 20);
            var piece = new byte[1 << 20];
            for (var i = 0; i < dataMiB; i++)
            {
                disk.random.NextBytes(piece);
                file.Position = (long)i * sizeMiB / dataMiB << 20;
                file.Write(piece);
            }
        }

        ExternalTool.Run("qemu-img", "convert", "-q", "-f", "raw", "-O", format, raw, disk.File);
        System.IO.File.Delete(raw);
        return disk;
    }

    /// <summary>Overwrites extents with fresh random contents.</summary>
    public void Overwrite(params IEnumerable<(long Offset, int Length)> extents)
    {
        var pieces = new List<string>();
        var commands = new List<string>();
        foreach (var (offset, length) in extents)
        {
            var contents = new byte[length];
            random.NextBytes(contents);
            var piece = Path.Combine(directory, $"{Name}.piece{pieces.Count}");
            System.IO.File.WriteAllBytes(piece, contents);
            pieces.Add(piece);
            commands.Add(string.Create(CultureInfo.InvariantCulture, $"write -q -s {piece} {offset} {length}"));
        }

        ExternalTool.Feed("qemu-io", string.Join('\n', [.. commands, "flush", ""]), "-f", Format, File);
        pieces.ForEach(System.IO.File.Delete);
    }

    /// <summary>The disk as qemu-img reads it at this moment, as a raw file.</summary>
    public string Freeze(string name)
    {
        var frozen = Path.Combine(directory, $"{Name}.{name}.want");
        ExternalTool.Run("qemu-img", "convert", "-q", "-f", Format, "-O", "raw", File, frozen);
        return frozen;
    }
}
