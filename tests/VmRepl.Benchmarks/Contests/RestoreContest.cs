using System.Text.Json;

namespace VmRepl.Benchmarks.Contests;

/// <summary>The newest point brought back from the bare store.</summary>
internal static class RestoreContest
{
    public static Contest Make(BenchRun run) => Make(run, isWritingAlone: false);

    /// <summary>The writing alone, as the command says it: what it reads back and hashes afterwards is left out, which <c>cp</c> does not do.</summary>
    public static Contest MakeWriting(BenchRun run) => Make(run, isWritingAlone: true);

    private static Contest Make(BenchRun run, bool isWritingAlone)
    {
        var target = Path.Combine(run.Directory, "restored");
        var group = run.AnyGroup();
        var live = run.Pair.LiveImage(group);
        // Beside a running replica the command would go through it; on the bad day there is the directory alone.
        run.Pair.Stop();
        return new Contest(isWritingAlone ? "restore-write" : "restore", isWritingAlone ? "the newest point written raw, and durable" : "the newest point, raw, with its SHA-256, and durable", run.Source.DataBytes,
        [
            isWritingAlone
            ? new Contestant("VmRepl", "vmrepl restore-vm GROUP --to DIR --format raw --store STORE --json     # its writeSeconds", () => Written(target, run, group))
            : new Contestant("VmRepl", "vmrepl restore-vm GROUP --to DIR --format raw --store STORE && sync DIR/disk.raw", () =>
                Timed(target, () =>
                {
                    CommandLineTool.Run(run.VmRepl, "restore-vm", group, "--to", target, "--format", "raw", "--store", run.Pair.Store);
                    CommandLineTool.Run("sync", Path.Combine(target, "disk.raw"));
                })),
            new Contestant("cp", "cp --sparse=always STORE/groups/GROUP/live/disk.vhdx DIR/disk.raw && sync DIR/disk.raw     # hashes nothing", () =>
                Timed(target, () =>
                {
                    Directory.CreateDirectory(target);
                    var copy = Path.Combine(target, "disk.raw");
                    CommandLineTool.Run("cp", "--sparse=always", live, copy);
                    CommandLineTool.Run("sync", copy);
                })),
        ]);
    }

    private static TimeSpan Written(string target, BenchRun run, string group)
    {
        var seconds = 0.0;
        Timed(target, () =>
        {
            var said = CommandLineTool.Run(run.VmRepl, "restore-vm", group, "--to", target, "--format", "raw", "--store", run.Pair.Store, "--json");
            using var report = JsonDocument.Parse(said);
            seconds = report.RootElement.GetProperty("writeSeconds").GetDouble();
        });
        return TimeSpan.FromSeconds(seconds);
    }

    private static TimeSpan Timed(string target, Action work)
    {
        try
        {
            return Timing.Of(work);
        }
        finally
        {
            if (Directory.Exists(target)) Directory.Delete(target, recursive: true);
        }
    }
}
