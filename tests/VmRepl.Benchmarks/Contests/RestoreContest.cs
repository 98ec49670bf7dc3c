namespace VmRepl.Benchmarks.Contests;

/// <summary>The newest point brought back from the bare store.</summary>
internal static class RestoreContest
{
    public static Contest Make(BenchRun run)
    {
        var target = Path.Combine(run.Directory, "restored");
        var group = run.AnyGroup();
        var live = run.Pair.LiveImage(group);
        // Beside a running replica the command would go through it; on the bad day there is the directory alone.
        run.Pair.Stop();
        return new Contest("restore", "the newest point, raw, with its SHA-256, and durable", run.Source.DataBytes,
        [
            new Contestant("VmRepl", "vmrepl restore-vm GROUP --to DIR --format raw --store STORE && sync DIR/disk.raw", () =>
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
