using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace VmRepl.Simulation.System;

/// <summary>
/// This program once more, for worlds that run beside those of another process: a world owns its process's thread pool. A line with a seed goes in, a line of JSON with its outcome comes out.
/// </summary>
internal sealed class WorldProcess : IDisposable
{
    private const string TwiceMark = " twice";

    private readonly Process process;

    public WorldProcess()
    {
        List<string> arguments = [typeof(WorldProcess).Assembly.Location, "--system", "--worlds"];
        if (Plant.Planted is { } plant) arguments.AddRange(["--plant", plant]);
        process = Process.Start(new ProcessStartInfo("dotnet", arguments) { RedirectStandardInput = true, RedirectStandardOutput = true }) ?? throw new InvalidOperationException("dotnet was not started");
    }

    public WorldOutcome Run(ulong seed, bool isTwice)
    {
        process.StandardInput.WriteLine(seed.ToString(CultureInfo.InvariantCulture) + (isTwice ? TwiceMark : ""));
        process.StandardInput.Flush();
        return process.StandardOutput.ReadLine() is { } line ? JsonSerializer.Deserialize<WorldOutcome>(line)! : new WorldOutcome("its process ended", []);
    }

    public void Dispose()
    {
        process.StandardInput.Close();
        process.WaitForExit();
        process.Dispose();
    }

    /// <summary>The other end: runs what is asked for until nothing is.</summary>
    public static int Serve(TextReader input, TextWriter output)
    {
        while (input.ReadLine() is { } line)
        {
            var isTwice = line.EndsWith(TwiceMark, StringComparison.Ordinal);
            var seed = ulong.Parse(isTwice ? line[..^TwiceMark.Length] : line, NumberStyles.None, CultureInfo.InvariantCulture);
            output.WriteLine(JsonSerializer.Serialize(WorldOutcome.Of(seed, isTwice, trace: null)));
            output.Flush();
        }

        return 0;
    }
}
