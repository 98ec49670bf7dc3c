using System.Diagnostics;
using VmRepl.Hypervisors.Boot;
using VmRepl.Hypervisors.Definitions;
using VmRepl.Hypervisors.Qemu;
using VmRepl.Nbd;

namespace VmRepl.Hypervisors.Tests.Boot;

/// <summary>Real guests in QEMU's emulation, their disk served by qemu-nbd on a Unix socket.</summary>
[TestFixture]
public class BootTestTests
{
    private string root = "";
    private Process? server;
    private GuestKernel? kernel;

    [OneTimeSetUp]
    public void Make()
    {
        kernel = GuestKernel.Require();
        ExternalTool.Require("qemu-nbd");
        root = Directory.CreateTempSubdirectory("hv-").FullName;
        Directory.CreateDirectory(At("work"));
        LoadGuest.WriteInitrd(kernel, At("initrd"));
        var disk = new byte[1 << 20];
        "0123456789abcdef"u8.CopyTo(disk);
        File.WriteAllBytes(At("disk.raw"), disk);
        server = ExternalTool.Start("qemu-nbd", "-f", "raw", "-t", "-e", "8", "-x", "g/vda@1", "-k", At("nbd"), At("disk.raw"));
        for (var i = 0; i < 500 && !File.Exists(At("nbd")); i++) Thread.Sleep(10);
    }

    [OneTimeTearDown]
    public void Remove()
    {
        server?.Kill();
        server?.Dispose();
        if (root.Length > 0) Directory.Delete(root, recursive: true);
    }

    [TearDown]
    public void NothingIsLeft()
    {
        Assert.That(Directory.EnumerateFileSystemEntries(At("work")), Is.Empty);
        Assert.That(Guests(), Is.Empty);
    }

    [Test]
    public async Task Run_SerialTextOfTheDisk_PassesWithAPicture()
    {
        var result = await RunAsync("up", new BootCheck.SerialPattern(@"DISK 2048 0123456789abcdef\r?\nGUEST UP"), At("screen.png"));
        TestContext.Out.WriteLine(result);
        Assert.Multiple(() =>
        {
            Assert.That(result.Reason, Is.Null, result.SerialTail);
            Assert.That(result.CheckedMs, Is.GreaterThan(result.UpMs!.Value).And.LessThanOrEqualTo(result.EndedMs));
            Assert.That(result.Accelerator, Is.EqualTo("tcg"));
            Assert.That(result.QemuVersion, Does.Match(@"^\d+\.\d+\.\d+$"));
            var picture = File.ReadAllBytes(result.ScreenshotFile!);
            Assert.That(picture[1..4], Is.EqualTo("PNG"u8.ToArray()));
            Assert.That((picture[18] << 8) + picture[19], Is.GreaterThanOrEqualTo(640), "width in IHDR");
        });
    }

    [Test]
    public async Task Run_GuestPanics_FailsWithItsText()
    {
        var result = await RunAsync("panic", new BootCheck.SerialText("GUEST UP"));
        Assert.That(result.HasPassed, Is.False);
        Assert.That(result.Reason, Does.Contain("panic"));
        Assert.That(result.SerialTail, Does.Contain("GUEST DYING"));
    }

    [Test]
    public async Task Run_GuestPowersOff_Fails()
    {
        var result = await RunAsync("off", new BootCheck.Survives(TimeSpan.FromSeconds(60)));
        Assert.That((result.HasPassed, result.Reason), Is.EqualTo((false, "The guest shut itself down.")));
        Assert.That(result.EndedMs, Is.LessThan(60_000));
    }

    [Test]
    public async Task Run_TextThenPowerOff_Passes() => Assert.That((await RunAsync("off", new BootCheck.SerialText("GUEST OFF"))).Reason, Is.Null);

    [Test]
    public async Task Run_Survives_Passes() => Assert.That((await RunAsync("up", new BootCheck.Survives(TimeSpan.FromSeconds(4)))).Reason, Is.Null);

    [Test]
    public async Task Run_GuestAgentAnswers_Passes() => Assert.That((await RunAsync("agent", new BootCheck.GuestAgent())).Reason, Is.Null);

    [Test]
    public async Task Run_TextThatNeverComes_FailsAtTheLimit()
    {
        var result = await RunAsync("up", new BootCheck.SerialText("never"), limit: TimeSpan.FromSeconds(5));
        Assert.That(result.Reason, Is.EqualTo("The check did not pass within 5 s."));
        Assert.That(result.SerialTail, Is.Not.Empty);
    }

    [TestCase("grep -q 'GUEST UP' $VMREPL_SERIAL", true)]
    [TestCase("exit 3", false)]
    public async Task Run_Script_ItsExitDecides(string command, bool passes)
    {
        var result = await RunAsync("up", new BootCheck.Script("/bin/sh", ["-c", $"test $VMREPL_GROUP = g && test -S $VMREPL_QMP && kill -0 $VMREPL_QEMU_PID || exit 9; for i in $(seq 100); do {command} && exit 0; sleep 0.2; done; exit 1"]));
        Assert.That(result.HasPassed, Is.EqualTo(passes), result.Reason);
        if (!passes) Assert.That(result.Reason, Is.EqualTo("The script ended with status 3."));
    }

    [Test]
    public async Task Run_LoadCutOff_ItsFilesVerify()
    {
        ExternalTool.Require("mke2fs");
        using (var file = File.Create(At("load.raw"))) file.SetLength(64 << 20);
        ExternalTool.Run("mke2fs", "-q", "-t", "ext4", "-F", At("load.raw"));
        using var disk = ExternalTool.Start("qemu-nbd", "-f", "raw", "-t", "-x", "load", "-k", At("load"), At("load.raw"));
        try
        {
            for (var i = 0; i < 500 && !File.Exists(At("load")); i++) Thread.Sleep(10);
            // QEMU is killed at the twentieth file, in the middle of the next.
            var load = await RunAsync("load", new BootCheck.SerialText("WRITTEN 20"), export: "load", socket: "load");
            Assert.That(load.Reason, Is.Null, load.SerialTail);
            var verify = await RunAsync("verify", new BootCheck.SerialPattern(@"VERIFIED 2\d files newest 2\d"), export: "load", socket: "load", limit: TimeSpan.FromSeconds(30));
            Assert.That(verify.Reason, Is.Null, verify.SerialTail);
        }
        finally
        {
            disk.Kill();
        }
    }

    [Test]
    public void Run_Cancelled_LeavesNothing()
    {
        using var cancel = new CancellationTokenSource(TimeSpan.FromSeconds(3));
        Assert.That(async () => await RunAsync("up", new BootCheck.SerialText("never"), cancellation: cancel.Token), Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public void Run_ExportThatIsNotThere_SaysWhatQemuSaid() =>
        Assert.That(async () => await RunAsync("up", new BootCheck.SerialText("x"), export: "none"), Throws.TypeOf<QemuException>().With.Message.Contains("none"));

    private async Task<BootResult> RunAsync(string mode, BootCheck check, string? screenshot = null, TimeSpan? limit = null, string export = "g/vda@1", string socket = "nbd", CancellationToken cancellation = default)
    {
        var options = new BootOptions { Group = "g", Check = check, Limit = limit ?? TimeSpan.FromSeconds(60), WorkParent = At("work"), ScreenshotFile = screenshot, AllowedDirectories = [root, Path.GetDirectoryName(kernel!.Kernel)!] };
        var vm = new VmDefinition { Name = "guest, one", MemoryBytes = 256 << 20, DirectBoot = new DirectBoot(kernel.Kernel, At("initrd"), LoadGuest.CommandLine(mode)), Interfaces = [new VmInterface("virtio", "52:54:00:00:00:01")] };
        return await new BootTest(options, TimeProvider.System).RunAsync(vm, [new ExportedDisk("vda", new NbdAddress.Unix(At(socket)), export)], cancellation);
    }

    // Only this fixture's: others may run QEMU beside us.
    private List<string> Guests() =>
        [.. Directory.EnumerateDirectories("/proc").Select(process => Path.Combine(process, "cmdline")).Where(File.Exists).Select(Read).Where(line => line.Contains("qemu-system", StringComparison.Ordinal) && line.Contains(At("work"), StringComparison.Ordinal))];

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

    private string At(string name) => Path.Combine(root, name);
}
