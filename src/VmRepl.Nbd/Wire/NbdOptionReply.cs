namespace VmRepl.Nbd.Wire;

/// <summary>The kind of an answer to an option. The top bit marks an error; its data is then a sentence.</summary>
internal enum NbdOptionReply : uint
{
    Ack = 1,
    Server = 2,
    Info = 3,
    MetaContext = 4,

    Unsupported = 0x80000001,
    Policy = 0x80000002,
    Invalid = 0x80000003,
    Platform = 0x80000004,
    TlsRequired = 0x80000005,
    Unknown = 0x80000006,
    Shutdown = 0x80000007,
    BlockSizeRequired = 0x80000008,
    TooBig = 0x80000009,
}
