namespace VmRepl.Agent.Output.Reports;

/// <summary>One version of one file in a drop directory, or one disk of a clone that was made in step.</summary>
/// <param name="Name">The file's name when it was found to be a clone, or the made clone's, which is what <c>restore-vm --clone</c> takes; of a file until then its name now.</param>
/// <param name="Group">The group whose clone it is; null where it is none or that is not known yet.</param>
/// <param name="Base">The disk that it is a clone of, as GROUP/DISK; null as before.</param>
/// <param name="State">waiting, copying, protected, quarantined, gone, or failed for a made clone that could not be copied here.</param>
/// <param name="OwnBytes">Bytes that the replica did not have and that were sent.</param>
/// <param name="Time">When the file was last written; of a made clone the time of its place.</param>
/// <param name="Directory">The drop directory, or the made clone's own.</param>
/// <param name="How">How it was found out what it is a clone of.</param>
/// <param name="Reason">Why it waits or is quarantined, or how the last attempt to send it ended.</param>
/// <param name="StoredAs">The group that holds it at the replica.</param>
/// <param name="Format">The image's format.</param>
/// <param name="Size">Bytes of its disk.</param>
/// <param name="ProtectedAt">When the replica had all of it.</param>
/// <param name="GoneAt">When it was found to be gone from the directory.</param>
public sealed record CloneReport(
    string Name,
    string? Group,
    string? Base,
    string State,
    long OwnBytes,
    DateTimeOffset Time,
    string Directory,
    string? How,
    string? Reason,
    string? StoredAs,
    string? Format,
    long? Size,
    DateTimeOffset? ProtectedAt,
    DateTimeOffset? GoneAt);
