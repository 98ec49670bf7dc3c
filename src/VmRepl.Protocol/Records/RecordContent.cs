namespace VmRepl.Protocol.Records;

/// <summary>What an undo or a hand-down puts back into its range.</summary>
public enum RecordContent : byte
{
    /// <summary>The record's payload.</summary>
    Payload = 0,

    /// <summary>Zeros that take space.</summary>
    Zero = 1,

    /// <summary>Zeros that take none.</summary>
    Hole = 2,

    /// <summary>Nobody knows: it was damaged when it was to be handed down. Whoever reads it is told so. Only in what is handed down.</summary>
    Damaged = 3,
}
