using System.Diagnostics;
using VmRepl.Blocks.Files;

namespace VmRepl.Blocks.Tests.Files;

[TestFixture]
public class HostFileLockTests
{
    // block/file-posix.c: a permission that is used is a lock on byte 100 + its number; writing is number 1.
    private const long QemuWriteLock = 101;

    [Test]
    public void IsLockedByOther_QemuHasItOpenForWriting_IsTrueUntilQemuEnds()
    {
        ExternalTool.Require("qemu-io");
        using var directory = new TemporaryDirectory();
        using var file = HostFile.Open(directory["disk.raw"], HostFileAccess.CreateNew);
        file.SetLength(1024 * 1024);
        Assert.That(file.IsLockedByOther(QemuWriteLock), Is.False, "our own opening is no lock");
        using (var qemu = Qemu(file.Path))
        {
            Assert.That(Wait(() => file.IsLockedByOther(QemuWriteLock)), Is.True);
            Close(qemu);
        }

        Assert.That(file.IsLockedByOther(QemuWriteLock), Is.False);
    }

    [Test]
    public void IsLockedByOther_QemuOnlyReads_IsFalseForWriting()
    {
        ExternalTool.Require("qemu-io");
        using var directory = new TemporaryDirectory();
        using var file = HostFile.Open(directory["disk.raw"], HostFileAccess.CreateNew);
        file.SetLength(1024 * 1024);
        using var qemu = Qemu(file.Path, "-r");
        // QEMU holds "consistent read" (number 0) then: seen, so the answer for writing is no accident of being early.
        Assert.That(Wait(() => file.IsLockedByOther(QemuWriteLock - 1)), Is.True);
        Assert.That(file.IsLockedByOther(QemuWriteLock), Is.False);
        Close(qemu);
    }

    private static Process Qemu(string path, params string[] options)
    {
        var start = new ProcessStartInfo("qemu-io", [.. options, "-f", "raw", path]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        return Process.Start(start) ?? throw new InvalidOperationException("qemu-io did not start");
    }

    private static void Close(Process qemu)
    {
        qemu.StandardInput.WriteLine("q");
        qemu.StandardInput.Close();
        if (qemu.WaitForExit(10_000)) return;
        qemu.Kill();
        Assert.Fail("qemu-io did not end");
    }

    private static bool Wait(Func<bool> condition)
    {
        for (var tries = 0; tries < 500; tries++)
        {
            if (condition()) return true;
            Thread.Sleep(20);
        }

        return false;
    }
}
