using System.ComponentModel;
using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace VmRepl.Blocks.Files;

/// <summary>A file of the host. On Linux with fdatasync, holes and shared extents; elsewhere it says honestly that it has none.</summary>
public sealed class HostFile : IHostFile
{
    private readonly SafeFileHandle handle;
    private readonly Lock opening = new();
    private DirectWriting? direct;
    private bool hasNoDirect;

    private HostFile(string path, SafeFileHandle handle, bool isReadOnly)
    {
        Path = path;
        this.handle = handle;
        IsReadOnly = isReadOnly;
    }

    public string Path { get; }

    public bool IsReadOnly { get; }

    public long Length
    {
        get
        {
            // Its end, and not its status. Where somebody asked for a file's times, Linux gives the next change to it a time of its own and not that of the last tick, and the changes to all files after it a later one.
            // A journal that asked for the live image's length had its segment's time moved by each record; on ext4 without a journal its own flush then writes the inode as well, some 30 µs.
            var end = OperatingSystem.IsLinux() ? LibC.Seek(handle, 0, LibC.SeekEnd) : -1;
            return end >= 0 ? end : RandomAccess.GetLength(handle);
        }
    }

    public FileIdentity Identity
    {
        get
        {
            const int atEmptyPath = 0x1000;
            const uint basicStats = 0x7ff;
            if (!OperatingSystem.IsLinux())
            {
                var changed = (File.GetLastWriteTimeUtc(handle) - DateTime.UnixEpoch).Ticks * 100;
                // The file's name in place of its number: the same in every process, which string.GetHashCode is not.
                var name = SHA256.HashData(Encoding.UTF8.GetBytes(System.IO.Path.GetFullPath(Path).ToUpperInvariant()));
                return new FileIdentity(0, BitConverter.ToUInt64(name), Length, changed, changed);
            }

            if (LibC.StatX(handle, "", atEmptyPath, basicStats, out var stat) != 0) throw Failed("cannot be examined");
            return new FileIdentity(((ulong)stat.DeviceMajor << 32) | stat.DeviceMinor, stat.Inode, (long)stat.Size, stat.Modified.Ns, stat.Changed.Ns);
        }
    }

    /// <summary>Opens or creates <paramref name="path"/>. No lock is taken: an image may be open elsewhere.</summary>
    /// <exception cref="IOException">It cannot be opened (rights included), or is a directory.</exception>
    public static HostFile Open(string path, HostFileAccess access)
    {
        var (mode, rights) = access switch
        {
            HostFileAccess.Read => (FileMode.Open, FileAccess.Read),
            HostFileAccess.ReadWrite => (FileMode.Open, FileAccess.ReadWrite),
            _ => (FileMode.CreateNew, FileAccess.ReadWrite),
        };
        try
        {
            return new HostFile(path, File.OpenHandle(path, mode, rights, FileShare.ReadWrite | FileShare.Delete), access == HostFileAccess.Read);
        }
        catch (UnauthorizedAccessException cause)
        {
            // The base library's one failure of opening a file that is no IOException.
            throw new IOException(cause.Message, cause);
        }
    }

    public int Read(long offset, Span<byte> buffer)
    {
        Settle(offset, buffer.Length);
        var done = 0;
        while (done < buffer.Length)
        {
            var read = RandomAccess.Read(handle, buffer[done..], offset + done);
            if (read == 0) break;
            done += read;
        }

        return done;
    }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        Settle(offset, data.Length);
        RandomAccess.Write(handle, data, offset);
    }

    public void Write(long offset, IReadOnlyList<ReadOnlyMemory<byte>> parts)
    {
        Settle(offset, parts.Sum(p => (long)p.Length));
        RandomAccess.Write(handle, parts, offset);
    }

    public void WriteAroundCache(long offset, IReadOnlyList<ReadOnlyMemory<byte>> parts)
    {
        if (!OperatingSystem.IsLinux() || offset % DirectWriting.Alignment != 0 || parts.Sum(p => (long)p.Length) % DirectWriting.Alignment != 0 || Direct is not { } around)
        {
            Write(offset, parts);
            return;
        }

        try
        {
            if (around.TryWrite(offset, parts)) return;
        }
        catch (Win32Exception cause)
        {
            throw NotWritten(cause);
        }

        Write(offset, parts);
    }

    public void LeaveReadTime()
    {
        // The file's owner may; for anybody else its time is noted as before.
        if (OperatingSystem.IsLinux() && LibC.FCntl(handle, LibC.GetFlags, 0) is >= 0 and var flags) _ = LibC.FCntl(handle, LibC.SetFlags, flags | LibC.NoReadTime);
    }

    public void FinishWrites() => Settle();

    public void SetLength(long length)
    {
        Settle();
        RandomAccess.SetLength(handle, length);
    }

    public bool TryPunch(long offset, long length)
    {
        if (!OperatingSystem.IsLinux()) return false;
        if (length == 0) return true;
        Settle(offset, length);
        while (LibC.FAllocate(handle, LibC.PunchHole | LibC.KeepSize, offset, length) != 0)
        {
            // A signal, of which the runtime sends itself many, may end the call half-way; punching again is harmless.
            if (Marshal.GetLastPInvokeError() == LibC.Interrupted) continue;
            return Marshal.GetLastPInvokeError() is LibC.NotSupported or LibC.NoSys ? false : throw Failed($"cannot be punched at {offset}, {length} bytes");
        }

        return true;
    }

    public bool TryReserve(long offset, long length)
    {
        if (!OperatingSystem.IsLinux() || length == 0) return false;
        if (LibC.FAllocate(handle, LibC.KeepSize, offset, length) == 0) return true;
        // An interrupted call may be left out: it only takes in advance what the write takes anyway.
        return Marshal.GetLastPInvokeError() is LibC.NotSupported or LibC.NoSys or LibC.Interrupted ? false : throw Failed($"has no space for {length} bytes at {offset}");
    }

    public void BeginWriteBack(long offset, long length)
    {
        // Its result says nothing that the flush will not say.
        if (OperatingSystem.IsLinux()) _ = LibC.SyncFileRange(handle, offset, length, LibC.SyncFileRangeWrite);
    }

    public bool TryCloneRange(IHostFile source, long sourceOffset, long offset, long length)
    {
        if (!OperatingSystem.IsLinux() || source is not HostFile from) return false;
        var range = new LibC.CloneRange
        {
            SourceDescriptor = from.handle.DangerousGetHandle(),
            SourceOffset = (ulong)sourceOffset,
            Length = (ulong)length,
            TargetOffset = (ulong)offset,
        };
        from.Settle(sourceOffset, length);
        Settle(offset, length);
        while (LibC.IoCtl(handle, LibC.FiCloneRange, ref range) != 0)
        {
            if (Marshal.GetLastPInvokeError() == LibC.Interrupted) continue;
            return Marshal.GetLastPInvokeError() is LibC.NotSupported or LibC.CrossDevice or LibC.InvalidArgument or LibC.BadFileForIoctl or LibC.NoSys
                ? false
                : throw Failed($"cannot share {length} bytes of {from.Path}");
        }

        return true;
    }

    public void Flush()
    {
        Settle();
        if (!OperatingSystem.IsLinux())
        {
            RandomAccess.FlushToDisk(handle);
            return;
        }

        while (LibC.FDataSync(handle) != 0)
        {
            if (Marshal.GetLastPInvokeError() != LibC.Interrupted) throw Failed("cannot be made durable");
        }
    }

    public IEnumerable<FileRun> Map(long offset, long length)
    {
        var fileEnd = Length;
        var end = length < fileEnd - offset ? offset + length : fileEnd;
        Settle(offset, length);
        while (offset < end)
        {
            var data = OperatingSystem.IsLinux() ? NextData(offset, end) : offset;
            if (data > offset) yield return new FileRun(offset, data - offset, true);
            if (data >= end) yield break;
            var hole = OperatingSystem.IsLinux() ? Math.Min(LibC.Seek(handle, data, LibC.SeekHole), end) : end;
            // A volume that cannot answer, or a file that shrank meanwhile, is all data: reading finds out the rest.
            if (hole <= data) hole = end;
            yield return new FileRun(data, hole - data, false);
            offset = hole;
        }
    }

    public bool IsLockedByOther(long offset)
    {
        if (!OperatingSystem.IsLinux()) return false;
        // Asking for a write lock shows read locks too; nothing is taken.
        var asked = new LibC.FileLock { Type = LibC.WriteLock, Start = offset, Length = 1 };
        if (LibC.FCntl(handle, LibC.OfdGetLock, ref asked) == 0) return asked.Type != LibC.Unlocked;
        // Only a volume that has no such locks may answer "not locked": any other failure must not pass for it.
        return Marshal.GetLastPInvokeError() is LibC.InvalidArgument or LibC.NotSupported or LibC.NoSys ? false : throw Failed("cannot be asked for its locks");
    }

    /// <summary>This file as shared memory; the file stays open and is still its owner's to dispose.</summary>
    internal MemoryMappedFile CreateMapping(long length) =>
        MemoryMappedFile.CreateFromFile(handle, null, length, IsReadOnly ? MemoryMappedFileAccess.Read : MemoryMappedFileAccess.ReadWrite, HandleInheritability.None, leaveOpen: true);

    public void Dispose()
    {
        if (OperatingSystem.IsLinux()) direct?.Dispose();
        handle.Dispose();
    }

    /// <summary>Waits for what is being written to the range around the cache: it is seen by everybody who comes after the write.</summary>
    private void Settle(long offset = 0, long length = long.MaxValue)
    {
        if (direct is null || !OperatingSystem.IsLinux()) return;
        try
        {
            direct.Settle(Extent.FromEnds(offset, length < long.MaxValue - offset ? offset + length : long.MaxValue));
        }
        catch (Win32Exception cause)
        {
            throw NotWritten(cause);
        }
    }

    private IOException NotWritten(Win32Exception cause) => new($"{Path}: cannot be written: {cause.Message}", cause);

    [System.Runtime.Versioning.SupportedOSPlatform("linux")]
    private DirectWriting? Direct
    {
        get
        {
            if (hasNoDirect) return null;
            if (direct is not null) return direct;
            lock (opening)
            {
                direct ??= DirectWriting.TryOpen(handle);
                hasNoDirect = direct is null;
                return direct;
            }
        }
    }

    [System.Runtime.Versioning.SupportedOSPlatform("linux")]
    private long NextData(long offset, long end)
    {
        var data = LibC.Seek(handle, offset, LibC.SeekData);
        if (data >= 0) return Math.Min(data, end);
        return Marshal.GetLastPInvokeError() == LibC.NoSuchDeviceOrAddress ? end : offset;
    }

    private IOException Failed(string what)
    {
        var cause = new Win32Exception(Marshal.GetLastPInvokeError());
        return new IOException($"{Path}: {what}: {cause.Message}", cause);
    }
}
