using VmRepl.Protocol.Records;

namespace VmRepl.Replication.Source;

/// <summary>A record before it has its place in the order.</summary>
/// <param name="Memory">Where the payload lies, held until the replica has acknowledged the record; null where it is the garbage collector's.</param>
internal readonly record struct RecordDraft(RecordKind Kind, uint Disk, long Offset, long Length, ReadOnlyMemory<byte> Payload, IReadOnlyDictionary<string, string>? Attributes = null, RegionBuffer? Memory = null)
{
    /// <summary>What it weighs against credit, about.</summary>
    public long WeightBytes => 128 + (Payload.Length / 1024) + Payload.Length;
}
