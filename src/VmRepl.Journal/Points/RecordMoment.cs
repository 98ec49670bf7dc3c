namespace VmRepl.Journal.Points;

/// <summary>Where in the order a record of the stream stands, and when it was written.</summary>
/// <param name="Sequence">0: no record.</param>
/// <param name="TimeUs">Source's clock, microseconds since 1970 UTC.</param>
internal readonly record struct RecordMoment(ulong Sequence, long TimeUs);
