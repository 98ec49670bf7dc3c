namespace VmRepl.Replication.Reading;

/// <summary>How much of a group was verified, and how long ago.</summary>
/// <param name="Finished">When the last scrub ended, by the replica's clock; null where there was none.</param>
/// <param name="Age">How long ago that is, by the same clock.</param>
/// <param name="RegionsVerified">Regions of live images that it compared with a digest.</param>
/// <param name="RegionsTotal">Regions that there were. Those whose digest was only then taken, or that were written again and again, are not verified.</param>
/// <param name="DamageCount">How much damage it found.</param>
public sealed record ScrubCoverage(DateTimeOffset? Finished, TimeSpan? Age, long RegionsVerified, long RegionsTotal, long DamageCount)
{
    /// <summary>Between which points the group can be had now; null where there is none, or the replica is of a release that does not say.</summary>
    public PointBounds? Points { get; init; }

    /// <summary>The part of the live images that was verified, 0 to 100; the journal is verified whole by every scrub.</summary>
    public double Percent => RegionsTotal == 0 ? 0 : 100.0 * RegionsVerified / RegionsTotal;
}
