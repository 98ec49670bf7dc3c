using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using VmRepl.Images;
using VmRepl.Images.Opening;
using VmRepl.Nbd.Server;

namespace VmRepl.Benchmarks.Nbd;

/// <summary>"nbd-serve FILE SOCKET": our server over a raw image, in a process of its own, until it is killed.</summary>
internal static class NbdServing
{
    public static async Task<int> RunAsync(string file, string socketPath)
    {
        using var image = DiskImages.Open(file, new ImageOpenOptions { Format = ImageFormat.Raw, Writable = true });
        using var server = new NbdServer(new SingleExport("", image), new NbdServerOptions(), NullLogger.Instance);
        var listening = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listening.Bind(new UnixDomainSocketEndPoint(socketPath));
        listening.Listen(16);
        await server.RunAsync(listening, CancellationToken.None);
        return 0;
    }
}
