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
}
