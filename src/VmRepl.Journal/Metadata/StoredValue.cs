using VmRepl.Journal.Index;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Metadata;

/// <summary>A record that is no contents: what it says, and where its payload lies.</summary>
internal sealed record StoredValue(RecordHeader Header, RecordRef Ref)
{
    public int PayloadLength => Ref.PayloadLength;
}
