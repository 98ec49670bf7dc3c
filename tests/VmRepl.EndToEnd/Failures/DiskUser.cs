using System.Diagnostics;

namespace VmRepl.EndToEnd.Failures;

/// <summary>Another process that holds an image open as a hypervisor does: qemu-io, with QEMU's locks.</summary>
internal sealed class DiskUser : IDisposable
{
    private readonly Process process;

    public DiskUser(string file, string format, bool readOnly)
    {
        process = ExternalTool.Start("qemu-io", [.. readOnly ? new[] { "-r" } : [], "-f", format, file]);
        // It answers when it has the image open.
        process.StandardInput.WriteLine("length");
        process.StandardInput.Flush();
        Assert.That(process.StandardOutput.ReadLine(), Is.Not.Null);
    }

    public void Dispose()
    {
        process.StandardInput.WriteLine("quit");
        process.StandardInput.Close();
        if (!process.WaitForExit(TimeSpan.FromSeconds(10))) process.Kill();
        process.WaitForExit();
        process.Dispose();
    }
}
