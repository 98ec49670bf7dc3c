using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace VmRepl.EndToEnd.Disks;

/// <summary>
/// A VM's disk with an ext4 file system, made and changed by others' tools only: <c>mke2fs -d</c> and <c>debugfs -w</c> work on a raw twin,
/// <c>qemu-img</c> makes the image of it, and what the twin's change touched is written into the image by <c>qemu-io</c>, as a guest would.
/// </summary>
internal sealed class GuestDisk
{
    private const int BlockBytes = 4096;

    private readonly string directory;

    private GuestDisk(string directory, string name, string format)
    {
        this.directory = directory;
        (Name, Format) = (name, format);
    }

    public string Name { get; }

    public string Format { get; }

    /// <summary>The image that is protected.</summary>
    public string File => Path.Combine(directory, $"{Name}.{Format}");

    /// <summary>The value of <c>--disk</c>.</summary>
    public string Argument => $"{Name}={File},format={Format}";

    private string Twin => Path.Combine(directory, Name + ".twin");

    /// <summary>Makes a disk whose file system holds <paramref name="files"/> files with contents drawn from <paramref name="random"/>.</summary>
    public static GuestDisk Create(string directory, string name, string format, int sizeMiB, Random random, int files = 40)
    {
        var disk = new GuestDisk(directory, name, format);
        var tree = Directory.CreateDirectory(Path.Combine(directory, name + ".tree"));
        for (var i = 0; i < files; i++)
        {
            var folder = tree.CreateSubdirectory($"d{i % 4}");
            System.IO.File.WriteAllBytes(Path.Combine(folder.FullName, $"f{i}"), Contents(random, random.Next(1, 200_000)));
        }

        System.IO.File.Create(disk.Twin).Dispose();
        ExternalTool.Run("mke2fs", "-q", "-t", "ext4", "-F", "-d", tree.FullName, disk.Twin, $"{sizeMiB}M");
        tree.Delete(recursive: true);
        ExternalTool.Run("qemu-img", "convert", "-q", "-f", "raw", "-O", format, disk.Twin, disk.File);
        return disk;
    }

    /// <summary>New files, files gone, a new directory: what <paramref name="megabytes"/> of a guest's work leave behind.</summary>
    public void Change(Random random, int round, int megabytes)
    {
        var before = Path.Combine(directory, Name + ".before");
        var fresh = Path.Combine(directory, Name + ".fresh");
        System.IO.File.Copy(Twin, before, overwrite: true);
        System.IO.File.WriteAllBytes(fresh, Contents(random, megabytes << 20));
        var commands = new StringBuilder();
        commands.Append(CultureInfo.InvariantCulture, $"mkdir /r{round}\nwrite {fresh} /r{round}/new\n");
        if (round > 1) commands.Append(CultureInfo.InvariantCulture, $"rm /r{round - 1}/new\n");
        commands.Append(CultureInfo.InvariantCulture, $"rm /d{round % 4}/f{round % 4}\nset_inode_field /d{(round + 1) % 4} mtime 20260{round}01\n");
        ExternalTool.Feed("debugfs", commands.ToString(), "-w", "-f", "-", Twin);
        WriteDifferences(before);
        System.IO.File.Delete(before);
        System.IO.File.Delete(fresh);
    }

    /// <summary>The disk as qemu-img reads it at this moment, as a raw file; a referee for every later restore.</summary>
    public string Freeze(string name)
    {
        var frozen = Path.Combine(directory, $"{Name}.{name}.want");
        ExternalTool.Run("qemu-img", "convert", "-q", "-f", Format, "-O", "raw", File, frozen);
        return frozen;
    }

    /// <summary>Whether the image is what debugfs made of its twin: a check of this harness.</summary>
    public void VerifyTwin() => Referee.Equal(Twin, "raw", File, Format);

    private void WriteDifferences(string before)
    {
        var piece = Path.Combine(directory, Name + ".piece");
        var (old, now) = (System.IO.File.ReadAllBytes(before), System.IO.File.ReadAllBytes(Twin));
        Assert.That(now, Has.Length.EqualTo(old.Length));
        var commands = new StringBuilder();
        for (var at = 0; at < now.Length; at += BlockBytes)
        {
            if (now.AsSpan(at, BlockBytes).SequenceEqual(old.AsSpan(at, BlockBytes))) continue;
            var end = at + BlockBytes;
            while (end < now.Length && !now.AsSpan(end, BlockBytes).SequenceEqual(old.AsSpan(end, BlockBytes))) end += BlockBytes;
            var contents = now.AsSpan(at, end - at);
            if (contents.ContainsAnyExcept((byte)0))
            {
                // qemu-io repeats a pattern file from its start, so every run has a file of its own.
                var file = $"{piece}{at}";
                System.IO.File.WriteAllBytes(file, contents);
                commands.Append(CultureInfo.InvariantCulture, $"write -q -s {file} {at} {contents.Length}\n");
            }
            else
            {
                commands.Append(CultureInfo.InvariantCulture, $"write -q -z {at} {contents.Length}\n");
            }

            at = end - BlockBytes;
        }

        ExternalTool.Feed("qemu-io", commands.Append("flush\n").ToString(), "-f", Format, File);
        foreach (var file in Directory.GetFiles(directory, Path.GetFileName(piece) + "*")) System.IO.File.Delete(file);
    }

    private static byte[] Contents(Random random, int length)
    {
        var contents = new byte[length];
        random.NextBytes(contents);
        // Half of a file is text that repeats, half is noise: neither all compressible nor all incompressible.
        Encoding.ASCII.GetBytes($"file of {length} bytes {Convert.ToHexString(SHA256.HashData(contents))}\n").AsSpan()[..Math.Min(length, 40)].CopyTo(contents);
        return contents;
    }
}
