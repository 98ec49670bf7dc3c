using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Server;

/// <summary>What of a device's failure the client is told.</summary>
internal static class RequestFailure
{
    private const int DiskFullWindows = unchecked((int)0x80070070);
    private const int NoSpaceLinux = 28;

    /// <summary>Whether the client is told, rather than cut off: whatever a device throws concerns the one request.</summary>
    public static bool IsDevices(Exception e) => e is not (OutOfMemoryException or NbdClientException);

    public static NbdError Error(Exception e) => e switch
    {
        NotSupportedException => NbdError.NotPermitted,
        ObjectDisposedException => NbdError.Shutdown,
        IOException { HResult: DiskFullWindows or NoSpaceLinux } => NbdError.NoSpace,
        IOException { InnerException: System.ComponentModel.Win32Exception { NativeErrorCode: NoSpaceLinux } } => NbdError.NoSpace,
        _ => NbdError.Io,
    };
}
