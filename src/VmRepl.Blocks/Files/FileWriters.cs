using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace VmRepl.Blocks.Files;

/// <summary>Tells whether somebody has a file open for writing.</summary>
public static class FileWriters
{
    /// <summary>
    /// By trying to get a read lease of the file, which nobody gets while it is open for writing, and giving it back at once. For a file of another user it takes the capability CAP_LEASE.
    /// </summary>
    /// <param name="path">Links are not followed, and what is no file that can be opened at once is not waited for.</param>
    /// <returns>Null where that cannot be told: the volume or the system has no leases, or this process may not have one.</returns>
    public static bool? Has(string path)
    {
        if (!OperatingSystem.IsLinux()) return null;
        var descriptor = LibC.Open(path, LibC.NoFollow | LibC.NonBlocking | LibC.CloseOnExec);
        if (descriptor < 0) return null;
        try
        {
            return ByLease(descriptor);
        }
        finally
        {
            _ = LibC.Close(descriptor);
        }
    }

    [SupportedOSPlatform("linux")]
    private static bool? ByLease(int descriptor)
    {
        // Whoever opens the file in the moment that the lease is held has the system tell this process so: by default with SIGIO, which would end it. SIGURG is ignored where nobody asked for it.
        if (LibC.FCntl(descriptor, LibC.SetSignal, LibC.Urgent) != 0) return null;
        if (LibC.FCntl(descriptor, LibC.SetLease, LibC.ReadLease) != 0) return Marshal.GetLastPInvokeError() == LibC.TryAgain ? true : null;
        _ = LibC.FCntl(descriptor, LibC.SetLease, LibC.NoLease);
        return false;
    }
}
