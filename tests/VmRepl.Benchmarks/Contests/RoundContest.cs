namespace VmRepl.Benchmarks.Contests;

/// <summary>A round that finds nothing changed: agent and replica each hash all that is allocated.</summary>
internal static class RoundContest
{
    public static Contest Make(BenchRun run) => new("round", "all of the disk compared by digest, nothing changed", run.Source.DataBytes,
    [
        new Contestant("VmRepl", "vmrepl sync GROUP     # agent and replica are running", () =>
        {
            var group = run.AnyGroup();
            return Timing.Of(() => run.Pair.Sync(group));
        }),
        new Contestant("sha256sum", "sha256sum source.qcow2     # once, where VmRepl hashes both ends", () => Timing.Of(() => CommandLineTool.Run("sha256sum", run.Source.Qcow2))) { Needs = ["sha256sum"] },
        new Contestant("openssl", "openssl dgst -sha256 source.qcow2     # once, too", () => Timing.Of(() => CommandLineTool.Run("openssl", "dgst", "-sha256", run.Source.Qcow2))) { Needs = ["openssl"] },
    ]);
}
