namespace VmRepl.Protocol.Records;

/// <summary>What a record says happened. Kinds from 32 on are the replica's own: they have no place in the stream's order and never travel.</summary>
public enum RecordKind : byte
{
    /// <summary>Payload bytes were written at the offset.</summary>
    Write = 1,

    /// <summary>The range reads as zeros from here on and stays allocated.</summary>
    Zero = 2,

    /// <summary>The range was given up (TRIM, UNMAP, discard) and reads as zeros.</summary>
    Punch = 3,

    /// <summary>A point of the group got a name.</summary>
    Bookmark = 4,

    /// <summary>A key of the VM's definition; the value is the payload.</summary>
    Metadata = 5,

    /// <summary>The group's disks were cloned at the source: the clone holds what every record before this one left.</summary>
    Clone = 6,

    Membership = 7,

    /// <summary>The disk's size became <see cref="RecordHeader.Length"/>.</summary>
    Resize = 8,
    Rewind = 9,
    Epoch = 10,
    ResyncBegin = 11,
    ResyncEnd = 12,

    /// <summary>What a range held before the record <see cref="RecordHeader.Undoes"/> touched it.</summary>
    Undo = 32,

    /// <summary>What a range held at the start of the recovery range, taken over from a retired segment.</summary>
    HandDown = 33,

    /// <summary>Up to where the live image is applied and flushed.</summary>
    Checkpoint = 34,
}
