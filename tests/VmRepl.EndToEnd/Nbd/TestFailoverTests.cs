using System.Security.Cryptography;
using System.Text.Json;
using VmRepl.EndToEnd.Guests;
using VmRepl.EndToEnd.Processes;

namespace VmRepl.EndToEnd.Nbd;

/// <summary>
/// A real guest writes files to ext4 under QEMU; rounds are made of its disk at moments that the guest does not know of, as after a loss of power. Then the group is test-failed-over to ten of these points: the guest
/// boots, mounts the file system, and finds every file in place to be what its name says.
/// </summary>
internal sealed class TestFailoverTests
{
    private const string Group = "vm1";
    private const int Points = 10;

    private ReplicationPair pair = null!;
    private GuestKernel kernel = null!;

    [SetUp]
    public void Start()
    {
        kernel = GuestKernel.Require();
        ExternalTool.Require("mke2fs", "qemu-img");
        pair = new ReplicationPair();
        pair.ReplicaArguments = ["--nbd", $"unix:{pair.Path("n.sock")}"];
        pair.Start();
        LoadGuest.WriteInitrd(kernel, pair.Path("initrd"));
    }

    [TearDown]
    public void End() => pair?.Dispose();

    [Test]
    public void TestFailover_GuestUnderLoadAtTenPoints_BootsAndItsFilesVerify()
    {
        var disk = pair.Path("vda.raw");
        using (var file = File.Create(disk)) file.SetLength(128 << 20);
        ExternalTool.Run("mke2fs", "-q", "-t", "ext4", "-F", disk);
        WriteDefinition("verify");
        Load(disk);

        var points = pair.Points(Group).Where(p => p.GetProperty("bookmark").ValueKind == JsonValueKind.String).ToList();
        Assert.That(points, Has.Count.EqualTo(Points));
        using (var meanwhile = pair.Begin(["test-failover", Group, "--at", "p0", .. Check]))
        {
            // The end of the disk is nobody's; what matters is that a round comes over while a point is booted.
            using (var file = File.OpenWrite(pair.Path("copy.raw")))
            {
                file.Position = file.Length - (1 << 20);
                file.Write(RandomNumberGenerator.GetBytes(1 << 20));
            }

            pair.Sync(Group);
            meanwhile.Wait(TimeSpan.FromMinutes(2)).MustSucceed();
        }

        var kept = Digests();
        foreach (var point in points)
        {
            var name = point.GetProperty("bookmark").GetString()!;
            var test = pair.Run(["test-failover", Group, "--at", name, "--screenshot", pair.Path($"{name}.png"), .. Check]);
            Assert.That(test.ExitCode, Is.Zero, $"{name}: {test}");
            Assert.That(test.Json.GetProperty("passed").GetBoolean(), Is.True);
            Assert.That(test.Json.GetProperty("checkedMs").GetInt64(), Is.Positive);
            Assert.That(File.ReadAllBytes(pair.Path($"{name}.png"))[1..4], Is.EqualTo("PNG"u8.ToArray()));
        }

        Assert.That(Digests(), Is.EqualTo(kept), "live image and journal are as they were, to the byte");
        Assert.That(pair.Run("scrub", Group).MustSucceed().Json.GetProperty("damageCount").GetInt32(), Is.Zero);
        Assert.That(pair.Run("attach", Group, "--list").MustSucceed().Json.GetProperty("attachments").GetArrayLength(), Is.Zero, "nothing is left attached");
        Assert.That(Directory.EnumerateFiles(Path.Combine(pair.Store, "scratch")), Is.Empty);
        var tests = pair.Run("test-failover", Group, "--list").MustSucceed().Json.GetProperty("tests").EnumerateArray().ToList();
        Assert.That(tests.Select(t => t.GetProperty("passed").GetBoolean()), Is.EqualTo(Enumerable.Repeat(true, Points + 1)));
        pair.Sync(Group);
        Assert.That(pair.Status(Group).GetProperty("lagBytes").GetInt64(), Is.Zero);
    }

    [Test]
    public void TestFailover_GuestThatPanics_FailsWithItsSerialTextAndIsRecorded()
    {
        var disk = pair.Path("vda.raw");
        using (var file = File.Create(disk)) file.SetLength(8 << 20);
        WriteDefinition("panic");
        pair.Run("protect", Group, "--disk", $"vda={disk},format=raw", "--definition", pair.Path("vm.json"), "--to", pair.Address).MustSucceed();
        pair.Run("test-failover", Group, "--check", "serial:never").MustFail(1, "kernel");
        var test = pair.Run("test-failover", Group, "--check", "serial:never", "--allow", pair.Root, "--allow", Path.GetDirectoryName(kernel.Kernel)!);
        Assert.Multiple(() =>
        {
            Assert.That(test.ExitCode, Is.EqualTo(1), test.ToString());
            Assert.That(test.Json.GetProperty("reason").GetString(), Does.Contain("panic"));
            Assert.That(test.Json.GetProperty("serial").GetString(), Does.Contain("GUEST DYING"));
            Assert.That(pair.Run("test-failover", Group, "--list").MustSucceed().Json.GetProperty("tests")[0].GetProperty("passed").GetBoolean(), Is.False);
            Assert.That(pair.Run("attach", Group, "--list").MustSucceed().Json.GetProperty("attachments").GetArrayLength(), Is.Zero);
        });
    }

    [Test]
    public void TestFailover_CommandKilled_LeavesNeitherQemuNorLayers()
    {
        var disk = pair.Path("vda.raw");
        using (var file = File.Create(disk)) file.SetLength(8 << 20);
        WriteDefinition("up");
        pair.Run("protect", Group, "--disk", $"vda={disk},format=raw", "--definition", pair.Path("vm.json"), "--to", pair.Address).MustSucceed();
        using (var running = pair.Begin("test-failover", Group, "--check", "runs:5min", "--allow", pair.Root, "--allow", Path.GetDirectoryName(kernel.Kernel)!))
        {
            Assert.That(() => Guests(), Has.Length.EqualTo(1).After(20_000, 50), "QEMU did not start");
            running.Kill();
        }

        Assert.That(() => Guests(), Is.Empty.After(5000, 50), "QEMU outlived the command");
        Assert.That(() => pair.Run("attach", Group, "--list").MustSucceed().Json.GetProperty("attachments").GetArrayLength(), Is.Zero.After(5000, 200));
        Assert.That(Directory.EnumerateFiles(Path.Combine(pair.Store, "scratch")), Is.Empty);
    }

    /// <summary>QEMU processes that use this pair's disks.</summary>
    private string[] Guests() =>
    [
        .. Directory.EnumerateDirectories("/proc").Select(process => Path.Combine(process, "cmdline")).Where(File.Exists).Select(Read)
            .Where(line => line.Contains("qemu-system", StringComparison.Ordinal) && line.Contains(pair.Path("n.sock"), StringComparison.Ordinal)),
    ];

    private static string Read(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (IOException)
        {
            return "";
        }
    }

    /// <summary>Lets the guest write, and makes a round of what its disk holds at ten moments.</summary>
    private void Load(string disk)
    {
        using var guest = ExternalTool.Start("qemu-system-x86_64", "-M", "pc", "-m", "256", "-nodefaults", "-display", "none", "-serial", "stdio", "-kernel", kernel.Kernel, "-initrd", pair.Path("initrd"),
            "-append", LoadGuest.CommandLine("load", seed: 5), "-drive", $"file={disk},format=raw,if=virtio,cache=writeback,file.locking=off");
        try
        {
            var written = 0;
            var random = new Random(41);
            string? line;
            for (var point = 0; point < Points; point++)
            {
                var until = written + random.Next(2, 7);
                while (written < until)
                {
                    line = guest.StandardOutput.ReadLine();
                    Assert.That(line, Is.Not.Null, "the guest ended");
                    if (line!.StartsWith("WRITTEN", StringComparison.Ordinal)) written++;
                    Assert.That(line, Does.Not.Contain("FAILED"));
                }

                // A moment somewhere in the next file's writing: the guest stands still while its disk is copied, as a checkpoint would have it, and goes on.
                Thread.Sleep(random.Next(0, 120));
                ExternalTool.Run("kill", "-STOP", $"{guest.Id}");
                File.Copy(disk, pair.Path("copy.raw"), overwrite: true);
                ExternalTool.Run("kill", "-CONT", $"{guest.Id}");
                if (point == 0) pair.Run("protect", Group, "--disk", $"vda={pair.Path("copy.raw")},format=raw", "--definition", pair.Path("vm.json"), "--to", pair.Address).MustSucceed();
                else pair.Sync(Group);
                pair.Bookmark(Group, $"p{point}");
            }
        }
        finally
        {
            guest.Kill();
            guest.WaitForExit();
        }
    }

    private void WriteDefinition(string mode) => File.WriteAllText(pair.Path("vm.json"), JsonSerializer.Serialize(new
    {
        kind = "vmrepl-vm",
        name = Group,
        machine = "pc",
        memoryMiB = 256,
        vcpus = 1,
        kernel = kernel.Kernel,
        initrd = pair.Path("initrd"),
        cmdline = LoadGuest.CommandLine(mode),
        disks = new[] { new { disk = "vda", bus = "virtio" } },
        interfaces = new[] { new { model = "virtio", mac = "52:54:00:00:00:01" } },
    }));

    private string[] Check => ["--check", @"pattern:VERIFIED \d+ files newest \d+", "--timeout", "2min", "--allow", pair.Root, "--allow", Path.GetDirectoryName(kernel.Kernel)!];

    /// <summary>Of every file of the live image and of the journal's segments.</summary>
    private string[] Digests() =>
    [
        .. new[] { "live", "journal" }.SelectMany(part => Directory.EnumerateFiles(Path.Combine(pair.Store, "groups", Group, part), "*.v*").Order())
            .Select(file => $"{Path.GetFileName(file)} {Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(file)))}"),
    ];
}
