using System.Diagnostics;

namespace VmRepl.Benchmarks;

/// <summary>An empty raw file behind an NBD server on a Unix socket.</summary>
internal sealed class NbdTarget : IDisposable
{
    private readonly string sockets = Directory.CreateTempSubdirectory("vmrepl-bench-").FullName;
    private readonly Process server;

    public NbdTarget(string file, long length)
    {
        File = file;
        using (var handle = System.IO.File.OpenHandle(file, FileMode.Create, FileAccess.ReadWrite)) RandomAccess.SetLength(handle, length);
        var socket = Path.Combine(sockets, "nbd.sock");
        server = CommandLineTool.Start(() => System.IO.File.Exists(socket), "nbdkit", "-f", "-U", socket, "file", file);
        Uri = $"nbd+unix:///?socket={socket}";
    }

    public string File { get; }

    public string Uri { get; }

    public void Dispose()
    {
        CommandLineTool.Stop(server);
        System.IO.File.Delete(File);
        Directory.Delete(sockets, recursive: true);
    }
}
