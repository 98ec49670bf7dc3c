using VmRepl.Blocks.Files;
using VmRepl.Replication.Source.Tracking;

namespace VmRepl.Replication.Source.Following;

/// <summary>
/// How far the marks of a disk can be believed after nobody watched it. A disk is trusted only as far as someone watched it: what cannot be shown to be as it was let go is compared by digests.
/// </summary>
internal static class DiskTrust
{
    /// <summary>
    /// How much later than the agent's last write began the file may have changed by that write. A write that was under way when the agent died shows in the file's time a little after it began; whoever wrote the file
    /// within this time after the agent's death would go unseen, so it is short.
    /// </summary>
    public static readonly TimeSpan WriteUnderWay = TimeSpan.FromMilliseconds(50);

    /// <param name="opened">How the marks were found.</param>
    /// <param name="known">The files as they were recorded when the disk was taken or let go; null where they were not.</param>
    /// <param name="now">The files as they are.</param>
    /// <param name="lastWriteBegun">Of this agent, by its clock; null where there was none.</param>
    /// <param name="booted">When the host booted; null where that is not known.</param>
    public static Verdict Judge(MarksFound opened, HeldFiles? known, IReadOnlyList<FileIdentity> now, DateTimeOffset? lastWriteBegun, DateTimeOffset? booted)
    {
        if (opened == MarksFound.New) return new(Way.Everything, "it was not followed before");
        if (opened == MarksFound.Damaged) return new(Way.Everything, "its record of changes was damaged");
        if (known is null || known.Files.Count != now.Count) return new(Way.Everything, "it is not recorded how it was let go");
        for (var i = 0; i < now.Count; i++)
        {
            if (!now[i].IsSameFile(known.Files[i])) return new(Way.Everything, "another file took the image's place");
        }

        switch (opened)
        {
            case MarksFound.CleanStop:
                return known.IsLetGo && now.SequenceEqual(known.Files)
                    ? new(Way.Marks, "the agent had let the disk go, and its file is as it was left")
                    : new(Way.Everything, "its file was changed while no agent watched it");
            case MarksFound.ProcessDeath:
                var newest = Time(now.Max(f => Math.Max(f.ModifiedNs, 0)));
                return lastWriteBegun is { } begun && newest <= begun + WriteUnderWay || newest <= known.Taken
                    ? new(Way.Marks, "the agent had died, and its file was not written since")
                    : new(Way.Everything, $"its file was written at {newest.UtcDateTime:yyyy-MM-ddTHH:mm:ss.fffZ}, after the agent had died");
            default:
                return booted is { } boot && now.All(f => Time(Math.Max(f.ModifiedNs, f.ChangedNs)) < boot)
                    ? new(Way.MarksByDigest, "the host had crashed, and its file was not written since the boot")
                    : new(Way.Everything, "the host had crashed, and it is not certain that its file was not written since the boot");
        }
    }

    private static DateTimeOffset Time(long nanoseconds) => DateTimeOffset.UnixEpoch.AddTicks(nanoseconds / 100);

    /// <summary>What is to be looked at, cheapest first.</summary>
    public enum Way
    {
        /// <summary>The marked sectors are sent.</summary>
        Marks,

        /// <summary>What is marked, coarsely too, is compared by digests.</summary>
        MarksByDigest,

        /// <summary>The whole disk is compared by digests.</summary>
        Everything,
    }

    /// <param name="Way">How the disk is brought level.</param>
    /// <param name="Cause">In words that go on from "because".</param>
    public sealed record Verdict(Way Way, string Cause);
}
