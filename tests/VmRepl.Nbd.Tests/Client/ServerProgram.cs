using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using VmRepl.Nbd.Client;

namespace VmRepl.Nbd.Tests.Client;

/// <summary>A server that other people wrote, running for one test.</summary>
internal sealed class ServerProgram : IDisposable
{
    private readonly Process process;
    private readonly Task<string> errors;
    private bool isDisposed;

    /// <param name="program">It has to stay in the foreground with these arguments.</param>
    public ServerProgram(string program, NbdAddress address, params string[] arguments)
    {
        process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        process.OutputDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        errors = process.StandardError.ReadToEndAsync();
        var watch = Stopwatch.StartNew();
        while (!Answers(address))
        {
            if (process.HasExited || watch.Elapsed > TimeSpan.FromSeconds(20))
            {
                Dispose();
                throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} does not serve: {errors.Result}");
            }

            Thread.Sleep(10);
        }
    }

    /// <summary>A port that nobody had a moment ago.</summary>
    public static int FreePort()
    {
        using var listening = new TcpListener(IPAddress.Loopback, 0);
        listening.Start();
        return ((IPEndPoint)listening.LocalEndpoint).Port;
    }

    public void Dispose()
    {
        if (isDisposed) return;
        isDisposed = true;
        // By a signal that it may act on: what it holds in memory is written.
        if (!process.HasExited) ExternalTool.Try("kill", $"{process.Id}");
        if (!process.WaitForExit(10_000)) process.Kill();
        process.WaitForExit();
        process.Dispose();
    }

    private static bool Answers(NbdAddress address)
    {
        try
        {
            Dialler.Dial(address, TimeSpan.FromSeconds(5)).Dispose();
            return true;
        }
        catch (NbdException)
        {
            return false;
        }
    }
}
