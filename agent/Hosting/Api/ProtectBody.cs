namespace VmRepl.Agent.Hosting.Api;

/// <summary>Body of <c>POST /v1/groups</c>.</summary>
/// <param name="Group">The group's name.</param>
/// <param name="Disks">Its disks.</param>
/// <param name="Host">The replica's host.</param>
/// <param name="Port">The replica's port.</param>
/// <param name="DefinitionFile">Full path, or null.</param>
/// <param name="Allow">Full paths of directories.</param>
/// <param name="Metadata">Key/value pairs.</param>
/// <param name="NoWait">Whether to answer before the baseline is done.</param>
internal sealed record ProtectBody(string Group, IReadOnlyList<ProtectBody.Disk> Disks, string Host, int Port, string? DefinitionFile, IReadOnlyList<string> Allow, IReadOnlyDictionary<string, string> Metadata, bool NoWait)
{
    /// <summary>Files at the replica to begin from; null for none. Each name is one of a disk.</summary>
    public IReadOnlyList<Disk>? Seeds { get; init; }

    /// <summary>snapshot or served; null is snapshot.</summary>
    public string? Capture { get; init; }

    /// <summary>async, semi-sync or sync; null is async.</summary>
    public string? Acknowledgement { get; init; }

    /// <summary>continue or stop; null is continue.</summary>
    public string? OnLoss { get; init; }

    /// <param name="File">Full path.</param>
    /// <param name="Format">Its name, or null to probe.</param>
    public sealed record Disk(string Name, string File, string? Format);
}
