using VmRepl.Journal.Points;

namespace VmRepl.Journal.Rewind;

/// <summary>What a rewind did.</summary>
/// <param name="Made">The point that it made, the newest one now.</param>
/// <param name="Target">The point gone to, which holds the same.</param>
/// <param name="Bytes">Bytes of the disks that were put back.</param>
public sealed record RewindResult(RecoveryPoint Made, RecoveryPoint Target, long Bytes);
