// Makes what images/ holds; loaded by build.cake, run by: dotnet cake --target=Samples
// Contents and times come from fixed seeds, so a second run gives the same raw contents and digests; the containers differ
// in their random identifiers (VHDX GUIDs, VMDK CIDs). Every digest is taken by qemu-img and SHA-256: no line of src/ is used.

static class Sample
{
    /// <summary>2026-01-05T08:00:00Z, the hour at which everything in the sample file systems was made.</summary>
    public const long EpochSeconds = 1767600000;

    public const int BlockSizeBytes = 4096;
}

var images = root.Combine("images");

string Output(string command, string arguments)
{
    var status = StartProcess(command, new ProcessSettings
    {
        Arguments = arguments, RedirectStandardOutput = true, RedirectStandardError = true, Silent = true,
        EnvironmentVariables = new Dictionary<string, string> { ["E2FSPROGS_FAKE_TIME"] = $"{Sample.EpochSeconds}" },
    }, out IEnumerable<string> lines, out IEnumerable<string> errors);
    if (status != 0) throw new CakeException($"{command} {arguments} ended with status {status}: {string.Join(' ', lines.Concat(errors))}");
    return string.Join('\n', lines);
}

// ---------------------------------------------------------------- contents

string Log(string host, int lines, int seed)
{
    var random = new System.Random(seed);
    string[] units = ["sshd", "cron", "postgresql", "nginx", "kernel", "systemd"];
    string[] said = ["connection accepted", "job finished", "checkpoint complete", "request served", "link is up", "started unit"];
    var at = DateTimeOffset.FromUnixTimeSeconds(Sample.EpochSeconds);
    var text = new System.Text.StringBuilder();
    for (var line = 0; line < lines; line++)
    {
        at = at.AddSeconds(random.Next(1, 40));
        var unit = random.Next(units.Length);
        text.Append($"{at:yyyy-MM-ddTHH:mm:ssZ} {host} {units[unit]}[{random.Next(100, 9999)}]: {said[unit]} in {random.Next(1, 900)} ms\n");
    }

    return text.ToString();
}

string Orders(int first, int count)
{
    var random = new System.Random(first);
    string[] goods = ["bolt M6", "washer", "hinge", "oak board", "wood glue", "sandpaper 120", "brass screw"];
    var text = new System.Text.StringBuilder("order,customer,article,pieces,cents\n");
    for (var order = first; order < first + count; order++)
        text.Append($"{order},C{random.Next(1000, 9999)},{goods[random.Next(goods.Length)]},{random.Next(1, 50)},{random.Next(90, 99000)}\n");
    return text.ToString();
}

byte[] Noise(int bytes, int seed)
{
    var noise = new byte[bytes];
    new System.Random(seed).NextBytes(noise);
    return noise;
}

byte[] Text(string text) => System.Text.Encoding.UTF8.GetBytes(text);

/// <summary>What happens to a disk between two moments: files written anew (null: wiped with zeros, then removed).</summary>
Dictionary<string, byte[]>[] SystemMoments()
{
    var start = new Dictionary<string, byte[]>
    {
        ["etc/hostname"] = Text("shop-1\n"),
        ["etc/fstab"] = Text("/dev/vda / ext4 errors=remount-ro 0 1\n/dev/vdb /srv ext4 defaults 0 2\n"),
        ["etc/nginx/nginx.conf"] = Text("worker_processes 2;\nevents { worker_connections 512; }\nhttp { server { listen 80; root /srv/www; } }\n"),
        ["etc/ssl/private/shop.key"] = Text("not a key, but it would be in a place like this\n"),
        ["usr/lib/shop/shop-1.0.bin"] = Noise(180_000, 1),
        ["usr/lib/shop/theme.bin"] = Noise(60_000, 2),
        ["var/log/syslog"] = Text(Log("shop-1", 4000, 3)),
        ["var/log/auth.log"] = Text(Log("shop-1", 800, 4)),
    };
    for (var page = 1; page <= 24; page++) start[$"usr/share/doc/shop/page-{page:00}.txt"] = Text(Log("manual", 90, 100 + page));
    return
    [
        start,
        // A working day: logs grow, the shop is upgraded and the old version removed.
        new()
        {
            ["var/log/syslog"] = Text(Log("shop-1", 4600, 3)),
            ["usr/lib/shop/shop-1.1.bin"] = Noise(70_000, 5),
            ["usr/lib/shop/shop-1.0.bin"] = null,
            ["etc/motd"] = Text("Upgraded to 1.1.\n"),
        },
        // A bad hour: what matters is replaced by noise.
        new()
        {
            ["etc/nginx/nginx.conf"] = null, ["etc/nginx/nginx.conf.locked"] = Noise(200, 6),
            ["var/log/auth.log"] = null, ["var/log/auth.log.locked"] = Noise(50_000, 7),
            ["etc/motd"] = Text("YOUR FILES ARE LOCKED. Pay 3 bitcoin.\n"),
        },
    ];
}

Dictionary<string, byte[]>[] DiskOfDataMoments()
{
    var start = new Dictionary<string, byte[]> { ["shop/orders.csv"] = Text(Orders(10_000, 6000)), ["photos/oak.jpg"] = Noise(150_000, 21), ["photos/hinge.jpg"] = Noise(90_000, 22) };
    for (var invoice = 1; invoice <= 40; invoice++) start[$"shop/invoices/{10_000 + invoice}.txt"] = Text(Orders(10_000 + invoice, 20));
    return
    [
        start,
        new()
        {
            ["shop/orders.csv"] = Text(Orders(10_000, 6400)),
            ["photos/glue.jpg"] = Noise(40_000, 23),
            ["shop/invoices/10041.txt"] = Text(Orders(10_041, 20)),
            ["shop/invoices/10001.txt"] = null,
        },
        new()
        {
            ["shop/orders.csv"] = null, ["shop/orders.csv.locked"] = Noise(180_000, 24),
            ["photos/oak.jpg"] = null, ["photos/oak.jpg.locked"] = Noise(150_000, 25),
            ["READ-ME-TO-PAY.txt"] = Text("YOUR FILES ARE LOCKED. Pay 3 bitcoin.\n"),
        },
    ];
}

// ---------------------------------------------------------------- file systems

/// <summary>Makes the file system of moment 0 at <paramref name="disk"/>, which is raw.</summary>
void MakeFileSystem(FilePath disk, DirectoryPath work, string options, string size, Dictionary<string, byte[]> files)
{
    var tree = work.Combine("tree");
    foreach (var (path, contents) in files)
    {
        var file = tree.CombineWithFilePath(path);
        EnsureDirectoryExists(file.GetDirectory());
        System.IO.File.WriteAllBytes(file.FullPath, contents);
    }

    Output("mke2fs", $"-q -F -t ext4 -b 4096 -m 0 -U 6f1d7c1e-5a0e-4b6e-9a52-0123456789ab -E hash_seed=6f1d7c1e-5a0e-4b6e-9a52-ba9876543210,root_owner=0:0 {options} -d {tree.FullPath} {disk.FullPath} {size}");
    var directories = files.Keys.SelectMany(Parents).Distinct().Append("lost+found");
    Debugfs(disk, work, files.Keys.Concat(directories).SelectMany(path => SetTimes(path, Sample.EpochSeconds)).Concat(SetTimes("", Sample.EpochSeconds)));
    DeleteDirectory(tree, new DeleteDirectorySettings { Recursive = true });
}

IEnumerable<string> Parents(string path)
{
    for (var end = path.LastIndexOf('/'); end > 0; end = path.LastIndexOf('/', end - 1)) yield return path[..end];
}

// The host's own times would make every run another disk.
IEnumerable<string> SetTimes(string path, long seconds) => new[] { "atime", "ctime", "mtime", "crtime" }
    .SelectMany(time => new[] { $"set_inode_field /{path} {time} @{seconds}", $"set_inode_field /{path} {time}_extra 0" });

void ChangeFileSystem(FilePath disk, DirectoryPath work, int moment, Dictionary<string, byte[]> changes)
{
    var now = Sample.EpochSeconds + (moment * 86_400);
    var script = new List<string> { $"set_current_time @{now}" };
    foreach (var (path, contents) in changes)
    {
        var isThere = !Output("debugfs", $"-R \"stat /{path}\" {disk.FullPath} 2>&1").Contains("not found") && Output("debugfs", $"-R \"stat /{path}\" {disk.FullPath}").Contains("Inode:");
        if (isThere)
        {
            if (contents is null)
                foreach (var block in Output("debugfs", $"-R \"blocks /{path}\" {disk.FullPath}").Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
                    script.Add($"zap_block -p 0 {block}");
            script.Add($"rm /{path}");
        }

        if (contents is null) continue;
        var file = work.CombineWithFilePath("new-" + path.Replace('/', '_'));
        System.IO.File.WriteAllBytes(file.FullPath, contents);
        script.Add($"write {file.FullPath} /{path}");
        script.AddRange(SetTimes(path, now));
    }

    script.AddRange(changes.Keys.SelectMany(Parents).Distinct().Append("").SelectMany(path => SetTimes(path, now)));
    Debugfs(disk, work, script);
    foreach (var (path, contents) in changes)
    {
        if (contents is null) continue;
        var got = work.CombineWithFilePath("got");
        Output("debugfs", $"-R \"dump /{path} {got.FullPath}\" {disk.FullPath}");
        if (!System.IO.File.ReadAllBytes(got.FullPath).AsSpan().SequenceEqual(contents)) throw new CakeException($"debugfs wrote {path} otherwise than asked");
    }
}

void Debugfs(FilePath disk, DirectoryPath work, IEnumerable<string> commands)
{
    var script = work.CombineWithFilePath("debugfs.commands");
    System.IO.File.WriteAllLines(script.FullPath, commands);
    Output("debugfs", $"-w -f {script.FullPath} {disk.FullPath}");
    Output("e2fsck", $"-fn {disk.FullPath}");
}

// ---------------------------------------------------------------- change sets

/// <summary>Writes what turns <paramref name="before"/> into <paramref name="after"/>; the layout is in images/README.md.</summary>
void WriteChangeSet(byte[] before, byte[] after, FilePath target)
{
    var runs = new List<(int Start, int End, bool IsZero)>();
    for (var at = 0; at < after.Length; at += Sample.BlockSizeBytes)
    {
        var block = after.AsSpan(at, Sample.BlockSizeBytes);
        if (block.SequenceEqual(before.AsSpan(at, Sample.BlockSizeBytes))) continue;
        var isZero = block.IndexOfAnyExcept((byte)0) < 0;
        if (runs.Count > 0 && runs[^1].End == at && runs[^1].IsZero == isZero) runs[^1] = (runs[^1].Start, at + Sample.BlockSizeBytes, isZero);
        else runs.Add((at, at + Sample.BlockSizeBytes, isZero));
    }

    EnsureDirectoryExists(target.GetDirectory());
    using var writer = new System.IO.BinaryWriter(System.IO.File.Create(target.FullPath));
    writer.Write("VMRCHNG1"u8);
    writer.Write((ulong)after.Length);
    writer.Write((uint)runs.Count);
    writer.Write(0u);
    foreach (var (start, end, isZero) in runs)
    {
        writer.Write((ulong)start);
        writer.Write((uint)(end - start));
        writer.Write(isZero ? 1u : 0u);
        if (!isZero) writer.Write(after.AsSpan(start, end - start));
    }
}

// ---------------------------------------------------------------- the target

string QemusName(string format) => format == "vhd" ? "vpc" : format;

string DigestOfRaw(FilePath image, string format, DirectoryPath work)
{
    var raw = work.CombineWithFilePath("digest.raw");
    Output("qemu-img", $"convert -f {QemusName(format)} -O raw {image.FullPath} {raw.FullPath}");
    using var stream = System.IO.File.OpenRead(raw.FullPath);
    return Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(stream));
}

object MakeDisk(string name, string format, string mkfs, string size, string createOptions, Dictionary<string, byte[]>[] moments, DirectoryPath work)
{
    var raw = work.CombineWithFilePath(name + ".raw");
    var image = images.CombineWithFilePath($"{name}.{format}");
    MakeFileSystem(raw, work, mkfs, size, moments[0]);
    Output("qemu-img", $"convert -f raw -O {format} -o {createOptions} {raw.FullPath} {image.FullPath}");
    List<string> digests = [DigestOfRaw(image, format, work)], changes = [];
    var before = System.IO.File.ReadAllBytes(raw.FullPath);
    for (var moment = 1; moment < moments.Length; moment++)
    {
        ChangeFileSystem(raw, work, moment, moments[moment]);
        var after = System.IO.File.ReadAllBytes(raw.FullPath);
        changes.Add($"changes/{moment}/{name}.changes");
        WriteChangeSet(before, after, images.CombineWithFilePath(changes[^1]));
        digests.Add(DigestOfRaw(raw, "raw", work));
        before = after;
    }

    return new { name, file = Stored(image), format, size = before.Length, sha256 = digests, changes };
}

// The smallest VHDX takes several MiB of zeros for its header, log and tables: kept packed.
string Stored(FilePath image)
{
    if (image.GetExtension() != ".vhdx") return image.GetFilename().ToString();
    using (var source = System.IO.File.OpenRead(image.FullPath))
    using (var packed = new System.IO.Compression.GZipStream(System.IO.File.Create(image.FullPath + ".gz"), System.IO.Compression.CompressionLevel.SmallestSize))
        source.CopyTo(packed);
    DeleteFile(image);
    return image.GetFilename() + ".gz";
}

object MakeFormat(string file, string format, FilePath raw, string options, DirectoryPath work)
{
    var image = images.CombineWithFilePath("formats/" + file);
    Output("qemu-img", $"convert -f raw -O {QemusName(format)} {options} {raw.FullPath} {image.FullPath}");
    return Described(file, format, work);
}

object Described(string file, string format, DirectoryPath work)
{
    var image = images.CombineWithFilePath("formats/" + file);
    var sha256 = DigestOfRaw(image, format, work);
    return new { file = "formats/" + file, format, size = new System.IO.FileInfo(work.CombineWithFilePath("digest.raw").FullPath).Length, sha256 };
}

List<object> MakeFormats(DirectoryPath work)
{
    var raw = work.CombineWithFilePath("tiny.raw");
    MakeFileSystem(raw, work, "-O ^has_journal -N 32", "1M", new() { ["notes.txt"] = Text(Log("tiny", 300, 31)), ["noise.bin"] = Noise(70_000, 32), ["letter.txt"] = Text("Dear stranger,\n") });
    List<object> made =
    [
        MakeFormat("v2.qcow2", "qcow2", raw, "-o compat=0.10,cluster_size=4k", work),
        MakeFormat("v3-deflate.qcow2", "qcow2", raw, "-c -o cluster_size=64k", work),
        MakeFormat("v3-zstd.qcow2", "qcow2", raw, "-c -o cluster_size=64k,compression_type=zstd", work),
        MakeFormat("v3-extended-l2.qcow2", "qcow2", raw, "-o extended_l2=on,cluster_size=64k", work),
        MakeFormat("monolithic-sparse.vmdk", "vmdk", raw, "-o subformat=monolithicSparse", work),
        MakeFormat("stream-optimized.vmdk", "vmdk", raw, "-o subformat=streamOptimized", work),
        // Without force_size the disk would become as long as its geometry says.
        MakeFormat("dynamic.vhd", "vhd", raw, "-o subformat=dynamic,force_size=on", work),
        MakeFormat("fixed.vhd", "vhd", raw, "-o subformat=fixed,force_size=on", work),
    ];

    // A chain, its members named relative to each other: data over data, and zeros over data.
    var formats = images.Combine("formats").FullPath;
    Output("qemu-img", $"convert -f raw -O qcow2 -o cluster_size=4k {raw.FullPath} {formats}/chain-base.qcow2");
    Output("qemu-img", $"create -q -f qcow2 -o cluster_size=4k -F qcow2 -b chain-base.qcow2 {formats}/chain-top.qcow2");
    Output("qemu-io", $"-f qcow2 -c \"write -P 0x5a 8k 12k\" -c \"write -z 64k 32k\" {formats}/chain-top.qcow2");
    made.Add(Described("chain-base.qcow2", "qcow2", work));
    made.Add(Described("chain-top.qcow2", "qcow2", work));

    // What stands beside the disk in the file and is no part of it: an internal snapshot with other contents, and a bitmap.
    Output("qemu-img", $"convert -f raw -O qcow2 -o cluster_size=4k {raw.FullPath} {formats}/snapshot-and-bitmap.qcow2");
    Output("qemu-img", $"snapshot -c before {formats}/snapshot-and-bitmap.qcow2");
    Output("qemu-img", $"bitmap --add -g 4096 {formats}/snapshot-and-bitmap.qcow2 since");
    Output("qemu-io", $"-f qcow2 -c \"write -P 0xa5 128k 20k\" {formats}/snapshot-and-bitmap.qcow2");
    made.Add(Described("snapshot-and-bitmap.qcow2", "qcow2", work));
    return made;
}

Task("Samples")
    .Description("Makes the sample disks, change sets and digests of images/ anew.")
    .Does(() =>
    {
        var work = artifacts.Combine("samples");
        EnsureDirectoryExists(work);
        CleanDirectory(work);
        EnsureDirectoryExists(images.Combine("formats"));
        CleanDirectory(images.Combine("formats"));
        EnsureDirectoryExists(images.Combine("changes"));
        CleanDirectory(images.Combine("changes"));
        var digests = new
        {
            disks = new[]
            {
                MakeDisk("system", "qcow2", "-N 256 -J size=4", "64M", "cluster_size=64k", SystemMoments(), work),
                MakeDisk("data", "vhdx", "-N 128 -O ^has_journal", "32M", "block_size=1M", DiskOfDataMoments(), work),
            },
            formats = MakeFormats(work),
        };
        var json = System.Text.Json.JsonSerializer.Serialize(digests, new System.Text.Json.JsonSerializerOptions { WriteIndented = true });
        System.IO.File.WriteAllText(images.CombineWithFilePath("digests.json").FullPath, json.ReplaceLineEndings("\n") + "\n");
        DeleteDirectory(work, new DeleteDirectorySettings { Recursive = true });
    });
