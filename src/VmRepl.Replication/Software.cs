namespace VmRepl.Replication;

/// <summary>What this build calls itself to its peers.</summary>
internal static class Software
{
    public static string Name { get; } = $"vmrepl/{typeof(Software).Assembly.GetName().Version?.ToString(3)}";

    /// <summary>Answers <see cref="Protocol.Messages.RewindGroup"/>.</summary>
    public const string Rewind = "rewind";

    /// <summary>Capabilities of this build; both sides use what both have.</summary>
    public static string[] Capabilities { get; } = ["digest-tree", "snapshot-rounds", "read-views", Rewind, Protocol.Messages.Scrub.Capability, Protocol.Messages.AskScrubState.Capability, Protocol.Messages.NoRoom.Capability,
        Protocol.Messages.AttachGroup.Capability, Protocol.Messages.SeedDisk.Capability, Protocol.Messages.ListClones.Capability];
}
