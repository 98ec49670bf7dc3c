using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using VmRepl.Agent.Commands.Arguments;
using VmRepl.Agent.Output;
using VmRepl.Images;
using VmRepl.Images.Opening;

namespace VmRepl.Agent.Demo;

/// <summary>
/// <c>vmrepl demo</c>: the main job on two small disks with real file systems. Replica and agent run as processes and talk over TCP; the disks are protected, changed twice,
/// and brought back as they were at three moments; what comes back is compared with digests that were taken apart from this code.
/// </summary>
internal sealed class DemoRun(DemoArguments arguments, CommandOutput output)
{
    private const string Group = "shop";

    private static readonly string[] Moments = ["fresh", "after-work", "after-attack"];
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(30);

    public async Task<int> RunAsync(CancellationToken cancellation)
    {
        var started = Stopwatch.StartNew();
        if (arguments.Keep is not null && Directory.Exists(arguments.Keep) && Directory.EnumerateFileSystemEntries(arguments.Keep).Any())
            throw CommandFailure.Refused($"{arguments.Keep} exists already and is not empty.", "Give --keep a new directory.");
        var work = arguments.Keep ?? Directory.CreateTempSubdirectory("vmrepl-demo-").FullName;
        Directory.CreateDirectory(work);
        try
        {
            var exitCode = await RunInAsync(work, started, cancellation);
            if (arguments.Keep is not null) output.Line($"Everything is left in {work}.");
            return exitCode;
        }
        finally
        {
            if (arguments.Keep is null) Directory.Delete(work, recursive: true);
        }
    }

    private async Task<int> RunInAsync(string work, Stopwatch started, CancellationToken cancellation)
    {
        var samples = SampleDisk.Load();
        var files = samples.ToDictionary(s => s.Name, s => s.CopyTo(work));
        var store = Path.Combine(work, "store");
        var socket = Path.Combine(work, "agent.sock");
        var address = $"127.0.0.1:{FreePort()}";
        await File.WriteAllTextAsync(Path.Combine(work, "shop.xml"), Definition(files), cancellation);

        output.Line("A small VM with two disks is protected, changed, and brought back as it was at three moments.");
        foreach (var sample in samples) output.Line($"  {sample.Name}: {Path.GetFileName(files[sample.Name])}, {Quantities.Size(sample.Size)}, ext4");
        output.Line();
        using var runner = new CommandRunner(output, socket);
        var replica = runner.Start(Path.Combine(work, "replica.log"), "replica", "--store", store, "--listen", address);
        var agent = runner.Start(Path.Combine(work, "agent.log"), "agent", "--state", Path.Combine(work, "state"), "--socket", socket);
        await WaitForAsync(socket, int.Parse(address.Split(':')[1], System.Globalization.CultureInfo.InvariantCulture), [replica, agent], cancellation);

        string[] disks = [.. samples.SelectMany(s => new[] { "--disk", $"{s.Name}={files[s.Name]},format={s.Format}" })];
        await MustAsync(runner, cancellation, ["protect", Group, .. disks, "--to", address, "--definition", Path.Combine(work, "shop.xml")]);
        await MustAsync(runner, cancellation, "bookmark", Group, Moments[0]);
        for (var moment = 1; moment < Moments.Length; moment++)
        {
            Change(samples, files, moment);
            await MustAsync(runner, cancellation, "sync", Group);
            await MustAsync(runner, cancellation, "bookmark", Group, Moments[moment]);
        }

        await MustAsync(runner, cancellation, "points", Group);
        output.Line();
        output.Line("Now the host is lost: agent and replica are killed, and only the store's directory is left.");
        agent.Kill();
        replica.Kill();
        await agent.WaitForExitAsync(cancellation);
        await replica.WaitForExitAsync(cancellation);
        if (arguments.Damage) DamageStore(store);
        return await RestoreAsync(runner, samples, store, work, started, cancellation);
    }

    private async Task<int> RestoreAsync(CommandRunner runner, IReadOnlyList<SampleDisk> samples, string store, string work, Stopwatch started, CancellationToken cancellation)
    {
        var table = new TextTable("moment", "disk", "SHA-256 restored", "as taken apart from vmrepl");
        var wrong = 0;
        var failures = new List<string>();
        for (var moment = 0; moment < Moments.Length; moment++)
        {
            var target = Path.Combine(work, "restored-" + Moments[moment]);
            var (exitCode, _, error) = await runner.RunAsync(cancellation, "restore-vm", Group, "--to", target, "--at", Moments[moment], "--store", store);
            if (exitCode != ExitCode.Done)
            {
                failures.Add($"{Moments[moment]}: {error.Split('\n')[0].Replace("vmrepl: ", "", StringComparison.Ordinal).Trim()}");
                continue;
            }

            using var metadata = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(target, "metadata.json"), cancellation));
            foreach (var sample in samples)
            {
                var restored = metadata.RootElement.GetProperty("disks").EnumerateArray().First(d => d.GetProperty("name").GetString() == sample.Name).GetProperty("sha256").GetString()!;
                var same = restored == sample.Sha256[moment];
                wrong += same ? 0 : 1;
                table.Add(Moments[moment], sample.Name, restored[..16] + "…", same ? "equal" : $"DIFFERENT: {sample.Sha256[moment][..16]}…");
            }
        }

        output.Line();
        output.Line("What came back, beside digests that qemu-img and sha256sum took of the same disks (images/digests.json):");
        table.WriteTo(output);
        foreach (var failure in failures) output.Line($"Damage found. {failure}");
        var compared = (Moments.Length - failures.Count) * samples.Count;
        output.Line(wrong == 0 && failures.Count == 0
            ? $"All {compared} disks came back bit for bit, from the bare store, in {Quantities.Duration(started.Elapsed)} all in all."
            : $"{compared - wrong} of {Moments.Length * samples.Count} disks came back bit for bit; {wrong} differ; {failures.Count} moments could not be restored.");
        return wrong == 0 && failures.Count == 0 ? ExitCode.Done : ExitCode.Failed;
    }

    private static async Task MustAsync(CommandRunner runner, CancellationToken cancellation, params string[] command)
    {
        var (exitCode, _, error) = await runner.RunAsync(cancellation, command);
        if (exitCode != ExitCode.Done) throw new CommandFailure($"vmrepl {command[0]} ended with {exitCode}: {error.Trim()}", "Run the demo with --keep DIR and look at replica.log and agent.log there.");
    }

    /// <summary>The guest's writes between two moments, through our own writers: VmRepl is told nothing of them.</summary>
    private void Change(IReadOnlyList<SampleDisk> samples, Dictionary<string, string> files, int moment)
    {
        output.Line();
        output.Line(moment == 1 ? "A day's work in the guest: orders come in, a package is upgraded." : "A bad hour in the guest: everything that matters is overwritten with noise.");
        foreach (var sample in samples)
        {
            if (!ImageFormatNames.TryParse(sample.Format, out var format)) throw new InvalidDataException($"{sample.Format} is no image format");
            using var image = DiskImages.Open(files[sample.Name], new ImageOpenOptions { Format = format, Writable = true });
            var changes = sample.ChangesTo(moment);
            changes.ApplyTo(image);
            output.Line($"  {sample.Name}: {Quantities.Size(changes.Bytes)} changed in {changes.Count} places");
        }
    }

    /// <summary>Flips one bit in the contents of the first record that the journal keeps in its payload area: what a failing disk does.</summary>
    private void DamageStore(string store)
    {
        const int fromEnd = 100;
        var segment = Directory.GetFiles(Path.Combine(store, "groups", Group, "journal")).Where(f => Path.GetFileName(f).StartsWith("segment-", StringComparison.Ordinal)).Order(StringComparer.Ordinal).First();
        using var file = new FileStream(segment, FileMode.Open, FileAccess.ReadWrite);
        var offset = file.Length - fromEnd;
        file.Position = offset;
        var old = file.ReadByte();
        file.Position = offset;
        file.WriteByte((byte)(old ^ 1));
        output.Line($"And one byte of it is flipped, at offset {offset} of {Path.GetFileName(segment)}.");
    }

    /// <summary>Waits until both processes take connections.</summary>
    private static async Task WaitForAsync(string socket, int port, IReadOnlyList<Process> processes, CancellationToken cancellation)
    {
        var waited = Stopwatch.StartNew();
        while (!CanConnect(new UnixDomainSocketEndPoint(socket), AddressFamily.Unix) || !CanConnect(new IPEndPoint(IPAddress.Loopback, port), AddressFamily.InterNetwork))
        {
            if (waited.Elapsed > StartLimit || processes.Any(p => p.HasExited))
                throw new CommandFailure("Replica or agent did not come up.", "Run the demo with --keep DIR and look at replica.log and agent.log there.");
            await Task.Delay(50, cancellation);
        }

    }

    private static bool CanConnect(EndPoint endPoint, AddressFamily family)
    {
        using var socket = new Socket(family, SocketType.Stream, family == AddressFamily.Unix ? ProtocolType.Unspecified : ProtocolType.Tcp);
        try
        {
            socket.Connect(endPoint);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static int FreePort()
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)probe.LocalEndPoint!).Port;
    }

    private static string Definition(Dictionary<string, string> files) =>
        $"""
        <domain type='qemu'>
          <name>{Group}</name>
          <memory unit='MiB'>512</memory>
          <devices>
        {string.Join('\n', files.Select((f, i) => $"    <disk type='file'><source file='{f.Value}'/><target dev='vd{(char)('a' + i)}'/></disk>"))}
          </devices>
        </domain>

        """;
}
