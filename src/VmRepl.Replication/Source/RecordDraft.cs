using VmRepl.Protocol.Records;

namespace VmRepl.Replication.Source;

/// <summary>A record before it has its place in the order.</summary>
internal readonly record struct RecordDraft(RecordKind Kind, uint Disk, long Offset, long Length, ReadOnlyMemory<byte> Payload, IReadOnlyDictionary<string, string>? Attributes = null)
{
    /// <summary>What it weighs against credit, about.</summary>
    public long WeightBytes => 128 + (Payload.Length / 1024) + Payload.Length;
}
