using VmRepl.Agent.Output.Reports;
using VmRepl.Clones.Drops;
using VmRepl.Images;

namespace VmRepl.Agent.Hosting;

/// <summary>Turns what is known of dropped files into what <c>vmrepl clones</c> prints.</summary>
internal static class CloneReports
{
    public static ClonesReport Of(IReadOnlyList<DroppedFile> files) => new([.. files.Select(Of)]);

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

    private static string Name(DropState state) => state switch
    {
        DropState.Waiting => "waiting",
        DropState.Copying => "copying",
        DropState.Protected => "protected",
        DropState.Quarantined => "quarantined",
        _ => "gone",
    };
}
