namespace VmRepl.Journal.Store;

/// <summary>What the source of a group said of its acknowledgements, and when it was last heard; the file <c>promise.json</c>. A failover tells by it how far the promise held.</summary>
/// <param name="AckMode">"snapshot", "async", "semi-sync" or "sync".</param>
/// <param name="LeaseMs">For how long after the last sign of life a source in sync mode goes on waiting for this replica, in milliseconds; 0 for no lease.</param>
/// <param name="LastSign">When something last came from the source, by this replica's clock. On disk it is that of the end of the last session, or of its beginning where it was cut by a crash.</param>
public sealed record SourcePromise(string AckMode, uint LeaseMs, DateTimeOffset LastSign);
