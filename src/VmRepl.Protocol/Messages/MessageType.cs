namespace VmRepl.Protocol.Messages;

/// <summary>The first field of every message. A number is never given a second meaning.</summary>
public enum MessageType : byte
{
    Hello = 1,
    Welcome = 2,
    Refusal = 3,
    OpenGroup = 4,
    GroupState = 5,
    RecordBatch = 6,
    BaselineBatch = 7,
    Ack = 8,
    DigestCompare = 9,
    DigestResult = 10,
    AllocationQuery = 11,
    AllocationResult = 12,
    Ping = 13,
    Pong = 14,
    ListGroups = 15,
    GroupList = 16,
    ListPoints = 17,
    PointList = 18,
    OpenView = 19,
    ViewOpened = 20,
    MapView = 21,
    ViewMap = 22,
    ReadView = 23,
    ViewContents = 24,
    CloseView = 25,
    Failure = 26,
    Bye = 27,
}
