using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using VmRepl.Hypervisors.Qmp;

namespace VmRepl.Hypervisors.Qemu;

/// <summary>
/// A running QEMU that does not outlive us. Linux ends it when the thread that started it ends (<c>setpriv --pdeathsig KILL</c>), so a thread of its own starts it and stays until it is gone;
/// if our process is killed, that thread is too. Disposing kills it and waits for its end.
/// </summary>
public sealed class QemuProcess : IAsyncDisposable
{
    private const int ErrorTextMax = 4096;
    private const string SetPriv = "/usr/bin/setpriv";

    private readonly Process process;
    private readonly StringBuilder errors = new();
    private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private QemuProcess(Process process) => this.process = process;

    public int Id => process.Id;

    /// <summary>Ends when QEMU has.</summary>
    public Task Ended => ended.Task;

    /// <summary>What QEMU wrote to its standard error, 4 KiB at most.</summary>
    public string Errors
    {
        get
        {
            lock (errors) return errors.ToString().Trim();
        }
    }

    /// <summary>Whether the operating system ends QEMU together with us.</summary>
    public static bool IsTied => OperatingSystem.IsLinux() && File.Exists(SetPriv);

    public static async Task<QemuProcess> StartAsync(string program, IReadOnlyList<string> arguments)
    {
        var started = new TaskCompletionSource<QemuProcess>(TaskCreationOptions.RunContinuationsAsynchronously);
        new Thread(() => Run(program, arguments, started)) { IsBackground = true, Name = "qemu" }.Start();
        return await started.Task;
    }

    /// <summary>Connects to a socket that QEMU listens on, waiting for it to be there.</summary>
    /// <exception cref="QemuException">QEMU ended first, or time is over.</exception>
    public async Task<Socket> ConnectAsync(string path, TimeSpan limit, CancellationToken cancellation)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation);
                return socket;
            }
            catch (Exception e)
            {
                socket.Dispose();
                if (e is not SocketException) throw;
                if (Ended.IsCompleted) throw new QemuException($"QEMU ended before it was ready: {Errors}", "The text is QEMU's own; its command line is in the log.", e);
                if (clock.Elapsed > limit) throw new QemuException($"QEMU was not ready within {limit.TotalSeconds} s. {Errors}", "Look at the load of the host.", e);
            }

            await Task.Delay(10, cancellation);
        }
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            process.Kill();
        }
        catch (InvalidOperationException)
        {
            // It has ended by itself.
        }

        await Ended;
        process.Dispose();
    }

    private static void Run(string program, IReadOnlyList<string> arguments, TaskCompletionSource<QemuProcess> started)
    {
        QemuProcess? qemu = null;
        try
        {
            var start = IsTied
                ? new ProcessStartInfo(SetPriv, ["--pdeathsig", "KILL", "--", program, .. arguments])
                : new ProcessStartInfo(program, arguments);
            start.RedirectStandardError = true;
            start.RedirectStandardInput = true;
            start.RedirectStandardOutput = true;
            var process = Process.Start(start)!;
            qemu = new QemuProcess(process);
            process.ErrorDataReceived += (_, line) => qemu.Keep(line.Data);
            process.OutputDataReceived += (_, line) => qemu.Keep(line.Data);
            process.BeginErrorReadLine();
            process.BeginOutputReadLine();
            process.StandardInput.Close();
            started.SetResult(qemu);
            process.WaitForExit();
        }
        catch (Exception e) when (qemu is null)
        {
            started.TrySetException(new QemuException($"{program} does not start: {e.Message}", "Run it by hand and look.", e));
        }
        finally
        {
            qemu?.ended.TrySetResult();
        }
    }

    private void Keep(string? line)
    {
        lock (errors)
            if (line is not null && errors.Length + line.Length < ErrorTextMax) errors.AppendLine(line);
    }
}
