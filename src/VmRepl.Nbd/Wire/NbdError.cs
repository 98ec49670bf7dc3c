namespace VmRepl.Nbd.Wire;

/// <summary>Why a request failed: the numbers of Linux, as the protocol fixes them.</summary>
public enum NbdError : uint
{
    None = 0,
    NotPermitted = 1,
    Io = 5,
    NoMemory = 12,
    Invalid = 22,
    NoSpace = 28,
    Overflow = 75,
    NotSupported = 95,
    Shutdown = 108,
}
