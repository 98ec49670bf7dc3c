namespace VmRepl.Replication.Replica.Attachments;

/// <summary>What the store remembers of attachments, so that a replica that was restarted serves them again.</summary>
/// <param name="Last">The greatest number that was ever given.</param>
internal sealed record AttachmentBook(uint Last, IReadOnlyList<AttachmentNote> Attachments)
{
    /// <summary>The file's name in the store.</summary>
    public const string Name = "attachments.json";
}
