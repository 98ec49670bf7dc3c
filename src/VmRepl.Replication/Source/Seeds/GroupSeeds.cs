using Microsoft.Extensions.Logging;
using VmRepl.Blocks.Files;
using VmRepl.Images;
using VmRepl.Protocol.Messages;
using VmRepl.Protocol.Names;

namespace VmRepl.Replication.Source;

/// <summary>
/// The seeds of a group's disks, on the source's side: which the replica is asked to use, and what it made of them, in the file <c>seeds.json</c>. A disk that was seeded is not seeded again by the same store,
/// for that would put the seed's contents over what was brought over since.
/// </summary>
internal sealed class GroupSeeds(SourceGroupDefinition group, IHostDirectory directory, ILogger log)
{
    private const string FileName = "seeds.json";

    /// <summary>What became of them so far.</summary>
    public IReadOnlyList<SeedOutcome> Outcomes { get; private set; } = SourceJson.TryRead<List<SeedOutcome>>(directory, FileName) ?? [];

    /// <summary>What an opening says of them; nothing once the group has a point.</summary>
    public DeclaredSeed[] Declare(bool hasPoint) =>
        hasPoint ? [] : [.. group.Disks.Where(d => d.Seed is not null).Select(d => new DeclaredSeed(d.Id, d.Seed!.File, d.Seed.Format?.Name() ?? ""))];

    /// <summary>Has the replica fill its live images, disk by disk, before a baseline compares anything.</summary>
    /// <param name="tell">Told what is waited for, in a sentence, and null at the end.</param>
    /// <exception cref="IOException">The state cannot be written, or the link ended.</exception>
    public async Task UseAsync(ReplicaLink link, Action<string?> tell, CancellationToken cancellation)
    {
        foreach (var disk in group.Disks)
        {
            if (disk.Seed is not { } seed) continue;
            // One that is all of the disk is used anew by each link that would end the baseline on the strength of it: nothing else was brought over, so nothing is lost by it.
            if (!group.IsSeedWhole && Outcomes.Any(o => o.Disk == disk.Name && o.StoreId == link.StoreId)) continue;
            tell($"the replica fills disk {disk.Name} from {seed.File}");
            link.SeedProgressed = p => tell($"the replica fills disk {disk.Name} from {seed.File}: {p.DoneBytes * 100.0 / Math.Max(1, p.TotalBytes):0} %");
            try
            {
                var answer = await link.AskAsync<DiskSeeded>(id => new SeedDisk(id, disk.Id), cancellation);
                var outcome = new SeedOutcome(disk.Name, link.StoreId, seed.File, answer.Format, answer.Length, answer.CopiedBytes, answer.Problem);
                IReadOnlyList<SeedOutcome> next = [.. Outcomes.Where(o => o.Disk != disk.Name), outcome];
                SourceJson.Write(directory, FileName, next);
                Outcomes = next;
                LinkLog.Seeded(log, group.Name, disk.Name, answer.CopiedBytes, seed.File, answer.Problem.Length == 0 ? "to its end" : answer.Problem);
            }
            finally
            {
                link.SeedProgressed = null;
                tell(null);
            }
        }
    }

    /// <summary>Requires that every disk was filled from a point, to the point's end. Called after <see cref="UseAsync"/>.</summary>
    /// <exception cref="ReplicationException">One was not: what it holds has to be compared.</exception>
    public void RequireWhole()
    {
        foreach (var disk in group.Disks)
        {
            if (Outcomes.FirstOrDefault(o => o.Disk == disk.Name && o.File == disk.Seed?.File) is { Problem: "", Format: PointSeedName.Format } used && used.Length == disk.Length) continue;
            var why = Outcomes.FirstOrDefault(o => o.Disk == disk.Name)?.Problem;
            throw new ReplicationException(group.Name, $"group {group.Name}: disk {disk.Name} cannot be made of {disk.Seed?.File} alone: {(string.IsNullOrEmpty(why) ? "it is another disk" : why)}", "It is compared by digests instead.", isRefusal: true);
        }
    }
}
