namespace VmRepl.Journal.Scrub;

/// <summary>What a scrub of a group found.</summary>
/// <param name="ScannedBytes">Bytes of payloads and live images that were read.</param>
/// <param name="RegionsVerified">Regions of live images compared with their digest.</param>
/// <param name="RegionsNew">Regions whose digest was taken, since there was none to be believed.</param>
/// <param name="RegionsUnverified">Regions without a digest to be believed where none could be taken: the store is only read, or the region was written again and again.</param>
/// <param name="DamageCount">How much damage there is.</param>
/// <param name="Damage">What is damaged; at most <see cref="DamageMax"/> of it.</param>
public sealed record ScrubReport(string Group, long ScannedBytes, long RegionsVerified, long RegionsNew, long RegionsUnverified, long DamageCount, IReadOnlyList<ScrubDamage> Damage, TimeSpan Duration)
{
    public const int DamageMax = 1024;

    public bool IsClean => DamageCount == 0;
}
