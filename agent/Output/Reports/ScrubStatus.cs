namespace VmRepl.Agent.Output.Reports;

/// <summary>How much of a group the last scrub verified, and how long ago.</summary>
/// <param name="Finished">When it ended, by the replica's clock; null where there was none yet.</param>
/// <param name="AgeSeconds">How long ago that is.</param>
/// <param name="CoveragePercent">The part of the live images that was compared with a digest; the journal is verified whole.</param>
/// <param name="RegionsTotal">Regions of live images (1 MiB each) that there were.</param>
/// <param name="DamageCount">How much damage it found; vmrepl scrub names it.</param>
public sealed record ScrubStatus(DateTimeOffset? Finished, double? AgeSeconds, double CoveragePercent, long RegionsVerified, long RegionsTotal, long DamageCount);
