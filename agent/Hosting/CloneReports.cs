using VmRepl.Agent.Output.Reports;
using VmRepl.Clones.Drops;
using VmRepl.Clones.Made;
using VmRepl.Images;

namespace VmRepl.Agent.Hosting;

/// <summary>Turns what is known of dropped files and made clones into what <c>vmrepl clones</c> prints.</summary>
internal static class CloneReports
{
    public static ClonesReport Of(IReadOnlyList<DroppedFile> files, MadeClones made) => new([.. files.Select(Of), .. made.Clones.SelectMany(c => c.Disks.Select(d => Of(c, d, made)))]);

    public static MadeCloneReport Made(MadeClone clone, MadeClones made) => new(
        clone.Group,
        clone.Name,
        Name(clone.State),
        new RecoveryPointReport(clone.Sequence, clone.Time, null),
        clone.HoldMs,
        clone.Disks.Sum(d => d.OwnBytes),
        clone.Reason,
        [.. clone.Disks.Select(d => new MadeCloneReport.Disk(d.Name, made.PathOf(clone, d), d.CloneGroup))]);

    private static CloneReport Of(DroppedFile file) => new(
        file.Base?.Called ?? file.Name,
        file.Base?.Owner,
        file.Base is { } found ? $"{found.Owner}/{found.Disk}" : null,
        Name(file.State),
        file.OwnBytes,
        file.Version.Modified,
        file.Directory,
        file.Base?.How,
        file.Reason,
        file.Base is null ? null : file.CloneGroup,
        file.Image?.Format.Name(),
        file.Image?.Length,
        file.Protected,
        file.Gone);

    private static CloneReport Of(MadeClone clone, MadeDisk disk, MadeClones made) => new(
        clone.Name,
        clone.Group,
        $"{clone.Group}/{disk.Name}",
        Name(clone.State),
        disk.OwnBytes,
        clone.Time,
        made.PathOf(clone),
        clone.Sequence == 0 ? null : clone.How,
        clone.Reason,
        disk.CloneGroup,
        ImageFormat.Raw.Name(),
        disk.Length,
        disk.Protected,
        null);

    private static string Name(MadeState state) => state switch
    {
        MadeState.Protected => "protected",
        MadeState.Failed => "failed",
        _ => "copying",
    };

    private static string Name(DropState state) => state switch
    {
        DropState.Waiting => "waiting",
        DropState.Copying => "copying",
        DropState.Protected => "protected",
        DropState.Quarantined => "quarantined",
        _ => "gone",
    };
}
