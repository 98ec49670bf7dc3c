using System.Diagnostics;
using System.Globalization;
using VmRepl.Blocks.Files;

namespace VmRepl.Journal.Tests.Sharing;

/// <summary>A process of its own that appends to a group on the host's files until it is killed, and says what it was told to be durable. This assembly is its program.</summary>
internal static class KilledAppender
{
    private const string Verb = "append-until-killed";

    public static JournalOptions Options(bool sharesNew) =>
        new() { SegmentBytes = 1 << 20, CapacityBytes = 6 << 20, FreeBytesMin = 0, CheckpointBytes = 2 << 20, ShareNewContents = sharesNew };

    /// <summary>Starts it, kills it when it has said so many sequences, and returns the last one.</summary>
    public static ulong RunAndKill(string directory, int seed, bool sharesNew, int appends)
    {
        using var process = Process.Start(new ProcessStartInfo("dotnet", [typeof(KilledAppender).Assembly.Location, Verb, directory, $"{seed}", $"{sharesNew}"]) { RedirectStandardOutput = true })!;
        ulong last = 0;
        for (var i = 0; i < appends && process.StandardOutput.ReadLine() is { } line; i++) last = ulong.Parse(line, CultureInfo.InvariantCulture);
        // It is inside an append by now, or soon will be.
        process.Kill();
        while (process.StandardOutput.ReadLine() is { } line)
        {
            if (ulong.TryParse(line, CultureInfo.InvariantCulture, out var said)) last = said;
        }

        process.WaitForExit();
        Assert.That(process.ExitCode, Is.EqualTo(128 + 9), "it was killed and did not end by itself");
        return last;
    }

    private static int Main(string[] args)
    {
        if (args is not [Verb, var directory, var seed, var sharesNew]) return 2;
        using var group = new TestGroup(Options(bool.Parse(sharesNew)), new HostDirectory(directory));
        SharingWorkload.Begin(group);
        for (var workload = new SharingWorkload(int.Parse(seed, CultureInfo.InvariantCulture)); ;)
        {
            Console.Out.WriteLine(workload.Append(group));
            Console.Out.Flush();
        }
    }
}
