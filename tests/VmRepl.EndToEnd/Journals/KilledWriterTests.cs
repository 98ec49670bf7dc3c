using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using VmRepl.EndToEnd.Processes;
using VmRepl.JournalDriver;

namespace VmRepl.EndToEnd.Journals;

/// <summary>
/// Mechanism 1 on a real process and real files: a writer is killed again and again, and then random moments of the recovery range are compared with a plain replay of the workload into an array.
/// <c>VMREPL_ACCEPTANCE=full</c> runs it at the size of the issue (200,000 writes, a disk of 256 MiB); otherwise disk and journal are a quarter of that and the writes an eighth.
/// What is not checked here: a loss of power, which the simulation has.
/// </summary>
internal sealed class KilledWriterTests
{
    private const int Kills = 20, PointsChecked = 100, PointsRestored = 3;

    private static readonly bool IsFull = Environment.GetEnvironmentVariable("VMREPL_ACCEPTANCE") == "full";

    [Test]
    public void Journal_WriterKilledTwentyTimes_EveryMomentIsBitExactAndNothingAcknowledgedIsMissing()
    {
        // Four records of five are writes.
        var (divisor, records) = IsFull ? (1, 250_000) : (4, 31_250);
        var seed = (int)(Stopwatch.GetTimestamp() & 0xFFFFFF);
        var workload = new Workload(new WorkloadShape((ulong)seed, (256L << 20) / divisor, 4L << 20, (184L << 20) / divisor, records));
        TestContext.Out.WriteLine($"seed {seed}, {workload.Shape}");
        var random = new Random(seed);
        var root = Directory.CreateTempSubdirectory("vmrepl-killed-");
        try
        {
            var store = Path.Combine(root.FullName, "store");
            var watch = Stopwatch.StartNew();
            Write(store, workload, random);
            TestContext.Out.WriteLine($"written in {watch.Elapsed.TotalSeconds:F1} s");

            var points = Run(["points", store]).Select(p => ulong.Parse(p, CultureInfo.InvariantCulture)).ToArray();
            Assert.That(points, Has.Length.GreaterThan(PointsChecked));
            random.Shuffle(points);
            ulong[] chosen = [.. points.Take(PointsChecked).Order()];
            watch.Restart();
            string[] found = [.. Run(["digest", store, .. chosen.Select(c => $"{c}")])];
            TestContext.Out.WriteLine($"{PointsChecked} points of {points.Length}, {chosen[0]} to {chosen[^1]}, read in {watch.Elapsed.TotalSeconds:F1} s");
            watch.Restart();
            var expected = Replay(workload, chosen);
            TestContext.Out.WriteLine($"replayed in {watch.Elapsed.TotalSeconds:F1} s");
            Assert.That(found, Is.EqualTo(chosen.Select(c => $"{c} {expected[c]}")));
            foreach (var point in points.Take(PointsRestored)) Restore(store, root.FullName, point, expected[point]);
        }
        finally
        {
            root.Delete(recursive: true);
        }
    }

    /// <summary>Writes all of it, through kills; each time what was acknowledged has to be there.</summary>
    private static void Write(string store, Workload workload, Random random)
    {
        // Where it is killed: after so many records, and then a moment later.
        var kills = new Queue<ulong>(Enumerable.Range(0, Kills).Select(_ => (ulong)random.NextInt64(1, (long)workload.Last - 100)).Order());
        ulong acknowledged = 0;
        while (true)
        {
            using var writer = Start(["append", store, .. workload.Shape.ToArguments()]);
            var isKilled = false;
            while (writer.StandardOutput.ReadLine() is { } line)
            {
                var words = line.Split(' ');
                if (words[0] == "done")
                {
                    TestContext.Out.WriteLine(line);
                    writer.WaitForExit();
                    Assert.That((writer.ExitCode, acknowledged, kills.Count), Is.EqualTo((0, workload.Last, 0)));
                    return;
                }

                var sequence = ulong.Parse(words[1], CultureInfo.InvariantCulture);
                if (words[0] == "open") Assert.That(sequence, Is.GreaterThanOrEqualTo(acknowledged), "what was acknowledged before the kill is there");
                else acknowledged = sequence;
                if (isKilled || kills.Count == 0 || sequence < kills.Peek()) continue;
                // Those that fall before where it came back are used up by one kill each, too.
                _ = kills.Dequeue();
                Thread.Sleep(random.Next(0, 20));
                writer.Kill();
                // What it had said before it was gone was said.
                isKilled = true;
            }

            writer.WaitForExit();
            Assert.That(isKilled, Is.True, $"the writer ended by itself with {writer.ExitCode}: {writer.StandardError.ReadToEnd()}");
        }
    }

    /// <summary>The disk as an array, hashed at each of the points.</summary>
    private static Dictionary<ulong, string> Replay(Workload workload, ulong[] points)
    {
        var disk = new byte[workload.Shape.DiskBytes];
        var digests = new Dictionary<ulong, string>();
        var next = Workload.BaselineEnd + 1;
        foreach (var point in points)
        {
            for (; next <= point; next++)
            {
                var (offset, length) = workload.ExtentOf(next);
                workload.Fill(next, disk.AsSpan((int)offset, length));
            }

            digests.Add(point, Convert.ToHexString(SHA256.HashData(disk)));
        }

        return digests;
    }

    private static void Restore(string store, string root, ulong point, string expected)
    {
        var target = Path.Combine(root, $"restored-{point}");
        VmReplCommand.Run(null, "restore-vm", "vm", "--to", target, "--at", $"{point}", "--format", "raw", "--store", store).MustSucceed();
        using var file = File.OpenRead(Directory.EnumerateFiles(target, "sda*").Single());
        Assert.That(Convert.ToHexString(SHA256.HashData(file)), Is.EqualTo(expected), $"restored as of {point}");
        file.Dispose();
        Directory.Delete(target, recursive: true);
    }

    private static List<string> Run(string[] arguments)
    {
        using var process = Start(arguments);
        var lines = new List<string>();
        while (process.StandardOutput.ReadLine() is { } line) lines.Add(line);
        process.WaitForExit();
        Assert.That(process.ExitCode, Is.Zero, () => process.StandardError.ReadToEnd());
        return lines;
    }

    private static Process Start(string[] arguments) => Process.Start(
        new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "VmRepl.JournalDriver"), arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
}
