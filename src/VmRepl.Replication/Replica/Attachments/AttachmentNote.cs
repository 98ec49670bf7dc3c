namespace VmRepl.Replication.Replica.Attachments;

/// <summary>An attachment as the store remembers it over a restart.</summary>
internal sealed record AttachmentNote(uint Id, string Group, ulong Sequence, bool IsWritable);
