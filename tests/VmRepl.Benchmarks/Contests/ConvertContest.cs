namespace VmRepl.Benchmarks.Contests;

/// <summary>One file to another, in one process, into the page cache.</summary>
internal static class ConvertContest
{
    public static Contest Make(BenchRun run)
    {
        var source = run.Source;
        var target = Path.Combine(run.Directory, "converted.raw");
        return new Contest("convert", "QCOW2 to raw, a new file, not flushed", source.DataBytes,
        [
            new Contestant("VmRepl", "vmrepl image convert source.qcow2 out.raw --format raw", () => Timed("image convert", run.VmRepl, "image", "convert", source.Qcow2, target, "--format", "raw")),
            new Contestant("qemu-img", "qemu-img convert -O raw source.qcow2 out.raw", () => Timed("qemu-img", "qemu-img", "convert", "-O", "raw", source.Qcow2, target)) { Needs = ["qemu-img"] },
        ]);

        TimeSpan Timed(string who, params string[] command)
        {
            try
            {
                var time = Timing.Of(() => CommandLineTool.Run(command));
                return new FileInfo(target).Length == source.Length ? time : throw new BenchException($"{who} wrote a file of another length");
            }
            finally
            {
                File.Delete(target);
            }
        }
    }
}
