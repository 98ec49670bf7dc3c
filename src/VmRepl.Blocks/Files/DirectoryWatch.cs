using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace VmRepl.Blocks.Files;

/// <summary>
/// Says that names in some directories came, went or were closed after writing, and not which: a wake-up for whoever looks himself. Where the system has no such thing, or no more of it, it says nothing, so nobody may rely on it alone.
/// </summary>
public sealed class DirectoryWatch : IDisposable
{
    // Asked many times a second.
    private readonly byte[] events = new byte[64 << 10];
    private int descriptor = -1;

    /// <param name="directories">Those that are there; of others nothing is said.</param>
    public DirectoryWatch(IEnumerable<string> directories)
    {
        if (OperatingSystem.IsLinux()) Begin(directories);
    }

    /// <summary>Whether something happened since this was last asked. Does not wait.</summary>
    public bool HasChanged => OperatingSystem.IsLinux() && descriptor >= 0 && Drain();

    public void Dispose()
    {
        if (OperatingSystem.IsLinux() && descriptor >= 0) _ = LibC.Close(descriptor);
        descriptor = -1;
    }

    [SupportedOSPlatform("linux")]
    private void Begin(IEnumerable<string> directories)
    {
        // inotify(7): not every write, but what begins and ends one.
        const uint attributes = 0x4, closedAfterWriting = 0x8, movedFrom = 0x40, movedTo = 0x80, made = 0x100, removed = 0x200;
        descriptor = LibC.INotifyInit(LibC.NonBlocking | LibC.CloseOnExec);
        if (descriptor < 0) return;
        foreach (var directory in directories) _ = LibC.INotifyAddWatch(descriptor, directory, attributes | closedAfterWriting | movedFrom | movedTo | made | removed);
    }

    [SupportedOSPlatform("linux")]
    private unsafe bool Drain()
    {
        var changed = false;
        fixed (byte* start = events)
        {
            while (true)
            {
                if (LibC.Read(descriptor, start, events.Length) > 0) changed = true;
                else if (Marshal.GetLastPInvokeError() != LibC.Interrupted) return changed;
            }
        }
    }
}
