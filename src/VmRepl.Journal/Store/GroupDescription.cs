namespace VmRepl.Journal.Store;

/// <summary>What a store knows of a group besides its journal; the file <c>group.json</c>.</summary>
/// <param name="Name">The group's name.</param>
/// <param name="SourceId">The agent that the group belongs to.</param>
/// <param name="Epoch">Newest epoch seen; messages of an older one are refused.</param>
/// <param name="Disks">Its disks.</param>
public sealed record GroupDescription(string Name, Guid SourceId, uint Epoch, IReadOnlyList<DiskDescription> Disks)
{
    /// <summary>What it is a clone of; null for a group that is none.</summary>
    public CloneDescription? CloneOf { get; init; }
}
