using VmRepl.Journal;
using VmRepl.Protocol.Messages;

namespace VmRepl.Replication.Replica;

/// <summary>What a source is told of why records were not taken.</summary>
internal static class ReplicaFailure
{
    // ENOSPC, and ERROR_DISK_FULL as an HRESULT.
    private const int NoSpaceLeft = 28, WindowsDiskFull = unchecked((int)0x80070070);

    public static Failure Explain(string group, Exception e) => e switch
    {
        JournalFullException or IOException { HResult: NoSpaceLeft or WindowsDiskFull } => new Failure(RefusalCode.NoSpace, $"group {group}: the replica has no room: {e.Message}", "Make room there (a larger --journal-capacity, space on its volume), then sync again; earlier points are kept."),
        ArgumentException when e.Message.StartsWith("a bookmark", StringComparison.Ordinal) => new Failure(RefusalCode.BookmarkTaken, $"group {group}: {e.Message}", "Choose another name; vmrepl points lists those in use."),
        ArgumentException or Protocol.ProtocolException => new Failure(RefusalCode.OutOfOrder, $"group {group}: the replica refused a record: {e.Message}", "Sync again; if it stays, look into the logs of both sides."),
        _ => new Failure(RefusalCode.Storage, $"group {group}: the replica's storage failed: {e.Message}", "Look at the replica's volume, then sync again; earlier points are kept."),
    };
}
