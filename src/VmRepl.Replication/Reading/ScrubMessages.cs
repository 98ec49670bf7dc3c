using System.Text;
using VmRepl.Journal.Scrub;
using VmRepl.Protocol.Messages;

namespace VmRepl.Replication.Reading;

/// <summary>A scrub's report as it travels.</summary>
internal static class ScrubMessages
{
    public static Protocol.Messages.ScrubReport Write(Journal.Scrub.ScrubReport report) => new(
        report.Group, report.ScannedBytes, report.RegionsVerified, report.RegionsNew, report.RegionsUnverified, report.Duration.Ticks / TimeSpan.TicksPerMicrosecond, report.DamageCount,
        [.. report.Damage.Take(MessageLimits.MaxDamage).Select(d => new Protocol.Messages.ScrubDamage(d.Disk, d.FirstSector, d.SectorCount, Cut(d.Where), d.PointCount,
            [.. d.Points.Take(MessageLimits.MaxDamagePoints).Select(p => new RecoveryPoint(p.Sequence, p.TimeUs, p.Bookmark, p.Consistency))]))]);

    public static Journal.Scrub.ScrubReport Read(Protocol.Messages.ScrubReport report) => new(
        report.Group, report.ScannedBytes, report.RegionsVerified, report.RegionsNew, report.RegionsUnverified, report.DamageCount,
        [.. report.Damage.Select(d => new Journal.Scrub.ScrubDamage(d.Disk, d.FirstSector, d.SectorCount, d.Where, d.PointCount,
            [.. d.Points.Select(p => new Journal.Points.RecoveryPoint(p.Sequence, p.TimeUs, p.Bookmark, p.Consistency))]))],
        TimeSpan.FromMicroseconds(Math.Min(report.DurationUs, (long)TimeSpan.MaxValue.TotalMicroseconds / 2)));

    /// <summary>Paths are long where somebody wants them to be; a text that travels has a bound.</summary>
    private static string Cut(string where)
    {
        if (Encoding.UTF8.GetByteCount(where) <= MessageLimits.MaxTextBytes) return where;
        var chars = MessageLimits.MaxTextBytes / 4;
        return where[..(char.IsHighSurrogate(where[chars - 1]) ? chars - 1 : chars)];
    }
}
