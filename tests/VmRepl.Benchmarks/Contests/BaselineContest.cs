namespace VmRepl.Benchmarks.Contests;

/// <summary>A first transfer through agent and replica, and the same disk copied to an NBD server; all of them durable when they return.</summary>
internal static class BaselineContest
{
    public static Contest Make(BenchRun run)
    {
        var source = run.Source;
        return new Contest("baseline", "QCOW2 to a durable copy through another process", source.DataBytes,
        [
            new Contestant("VmRepl", "vmrepl protect GROUP --disk disk=source.qcow2,format=qcow2 --to 127.0.0.1:PORT     # agent and replica are running", () =>
            {
                var group = run.NewGroup();
                return Timing.Of(() => run.Pair.Protect(group, source.Qcow2));
            }),
            new Contestant("qemu-img", "qemu-img convert -n --target-is-zero -t writeback -f qcow2 -O raw source.qcow2 nbd+unix:///?socket=S && sync target.raw     # nbdkit file target.raw is running", () =>
            {
                using var target = new NbdTarget(Path.Combine(run.Directory, "target.raw"), source.Length);
                return Timing.Of(() =>
                {
                    CommandLineTool.Run("qemu-img", "convert", "-n", "--target-is-zero", "-t", "writeback", "-f", "qcow2", "-O", "raw", source.Qcow2, target.Uri);
                    CommandLineTool.Run("sync", target.File);
                });
            })
            { Needs = ["qemu-img", "nbdkit"] },
            new Contestant("nbdcopy", "nbdcopy --flush --destination-is-zero -- [ qemu-nbd -r -f qcow2 source.qcow2 ] nbd+unix:///?socket=S     # the same", () =>
            {
                using var target = new NbdTarget(Path.Combine(run.Directory, "target.raw"), source.Length);
                return Timing.Of(() => CommandLineTool.Run("nbdcopy", "--flush", "--destination-is-zero", "--", "[", "qemu-nbd", "-r", "-f", "qcow2", source.Qcow2, "]", target.Uri));
            })
            { Needs = ["nbdcopy", "qemu-nbd", "nbdkit"] },
        ]);
    }
}
