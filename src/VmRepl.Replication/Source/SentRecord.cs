using VmRepl.Protocol.Records;

namespace VmRepl.Replication.Source;

/// <summary>A record that is sent and kept until it is acknowledged.</summary>
/// <param name="Record">The record.</param>
/// <param name="IsBaseline">Whether it goes to the live images unjournaled.</param>
/// <param name="Memory">What its payload lies in, if that goes back to a pool afterwards.</param>
internal sealed record SentRecord(Record Record, bool IsBaseline, RegionBuffer? Memory);
