namespace VmRepl.Replication.Source.Following;

/// <summary>A group's disks as they were at one moment.</summary>
/// <param name="Sequence">Of the record that marks the moment: it is after every change that the disks have then, and before all others.</param>
/// <param name="TimeUs">Its time, microseconds since 1970.</param>
/// <param name="Hold">The longest time that changes were held: no write was held longer at a time.</param>
/// <param name="Durable">Ends when the replica has the record, durably; false where the link was lost before that was known.</param>
/// <param name="Copied">Ends when the files have everything, not flushed. Fails with <see cref="IOException"/>.</param>
public sealed record FrozenGroup(ulong Sequence, long TimeUs, TimeSpan Hold, Task<bool> Durable, Task Copied);
