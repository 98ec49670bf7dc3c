using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;

namespace VmRepl.Blocks.Files;

/// <summary>The Linux calls that the base library does not offer. 64-bit Linux only; every caller is guarded.</summary>
[SupportedOSPlatform("linux")]
internal static partial class LibC
{
    public const int SeekEnd = 2, SeekData = 3, SeekHole = 4;
    public const int NoSuchDeviceOrAddress = 6, NotSupported = 95, InvalidArgument = 22, CrossDevice = 18, NoSys = 38, Interrupted = 4, BadFileForIoctl = 25, TryAgain = 11, InputOutput = 5;
    public const int GetFlags = 3, SetFlags = 4, NoReadTime = 0x40000;
    public const int OfdGetLock = 36;
    public const short WriteLock = 1, Unlocked = 2;
    public const int PunchHole = 2, KeepSize = 1;
    public const uint SyncFileRangeWrite = 2;
    public const int AdviseRandom = 1, AdviseDontNeed = 4, AdviseHugePages = 14;
    public const int ProtectionReadWrite = 3, MapPrivateAnonymous = 0x22;
    public const int SynchronousSync = 4;

    /// <summary>RUSAGE_THREAD, and where struct rusage has ru_nvcsw, in words (getrusage(2)).</summary>
    public const int UsageOfThread = 1, UsageVoluntarySwitches = 16, UsageWords = 18;

    public const int ReadWrite = 2, CloseOnExec = 0x80000, NonBlocking = 0x800;

    /// <summary>O_NOFOLLOW, which differs by architecture.</summary>
    public static readonly int NoFollow = IsArm64 ? 0x8000 : 0x20000;

    /// <summary>Leases, fcntl(2), and the signal that says that one is broken.</summary>
    public const int SetLease = 1024, ReadLease = 0, NoLease = 2, SetSignal = 10, Urgent = 23;

    /// <summary>O_DIRECT, which differs by architecture.</summary>
    public static readonly int Direct = IsArm64 ? 0x10000 : 0x4000;

    /// <summary>_IOW(0x94, 13, struct file_clone_range), linux/fs.h.</summary>
    public const ulong FiCloneRange = 0x4020940D;

    /// <summary>Numbers of system calls that libc has no names for (asm/unistd.h).</summary>
    public static readonly nint IoSetup = IsArm64 ? 0 : 206, IoGetEvents = IsArm64 ? 4 : 208, IoSubmit = IsArm64 ? 2 : 209;

    /// <summary>IOCB_CMD_PWRITE, linux/aio_abi.h.</summary>
    public const ushort AioWrite = 1;

    private static bool IsArm64 => RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    public static partial nint Call(nint number, nint first, nint second, nint third, nint fourth, nint fifth);

    [LibraryImport("libc", EntryPoint = "fdatasync", SetLastError = true)]
    public static partial int FDataSync(SafeFileHandle file);

    [LibraryImport("libc", EntryPoint = "sync_file_range", SetLastError = true)]
    public static partial int SyncFileRange(SafeFileHandle file, long offset, long length, uint flags);

    [LibraryImport("libc", EntryPoint = "pwrite", SetLastError = true)]
    public static unsafe partial nint PWrite(SafeFileHandle file, byte* data, nint length, long offset);

    [LibraryImport("libc", EntryPoint = "getrusage", SetLastError = true)]
    public static unsafe partial int GetResourceUsage(int who, long* usage);

    [LibraryImport("libc", EntryPoint = "gettid")]
    public static partial int GetThreadId();

    [LibraryImport("libc", EntryPoint = "madvise", SetLastError = true)]
    public static partial int MAdvise(nint address, nint length, int advice);

    /// <summary>-1 where there is no room for it.</summary>
    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    public static partial nint MMap(nint address, nint length, int protection, int flags, int descriptor, long offset);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    public static partial int MUnmap(nint address, nint length);

    [LibraryImport("libc", EntryPoint = "msync", SetLastError = true)]
    public static partial int MSync(nint address, nint length, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    public static partial int FSync(int descriptor);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    public static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    public static partial long Seek(SafeFileHandle file, long offset, int whence);

    [LibraryImport("libc", EntryPoint = "fallocate", SetLastError = true)]
    public static partial int FAllocate(SafeFileHandle file, int mode, long offset, long length);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    public static partial int IoCtl(SafeFileHandle file, ulong request, ref CloneRange range);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int StatX(int directory, string path, int flags, uint mask, out StatXResult result);

    /// <summary>Of an open file, with an empty path and AT_EMPTY_PATH.</summary>
    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int StatX(SafeFileHandle file, string path, int flags, uint mask, out StatXResult result);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    public static partial int FCntl(SafeFileHandle file, int command, ref FileLock fileLock);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    public static partial int FCntl(SafeFileHandle file, int command, int argument);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    public static partial int FCntl(int descriptor, int command, int argument);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    public static unsafe partial nint Read(int descriptor, byte* buffer, nint length);

    [LibraryImport("libc", EntryPoint = "inotify_init1", SetLastError = true)]
    public static partial int INotifyInit(int flags);

    [LibraryImport("libc", EntryPoint = "inotify_add_watch", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int INotifyAddWatch(int descriptor, string path, uint mask);

    /// <summary>struct flock, fcntl.h, 64-bit.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct FileLock
    {
        public short Type;
        public short Whence;
        public long Start;
        public long Length;
        public int ProcessId;
    }

    /// <summary>struct iocb, linux/aio_abi.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct AioRequest
    {
        public ulong Data;
        public uint Key;
        public uint WriteFlags;
        public ushort Operation;
        public short Priority;
        public uint File;
        public ulong Buffer;
        public ulong Length;
        public long Offset;
        public ulong Reserved;
        public uint Flags;
        public uint EventDescriptor;
    }

    /// <summary>struct io_event, linux/aio_abi.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct AioEvent
    {
        public ulong Data;
        public ulong Request;
        public long Result;
        public long Result2;
    }

    /// <summary>struct file_clone_range, linux/fs.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct CloneRange
    {
        public long SourceDescriptor;
        public ulong SourceOffset;
        public ulong Length;
        public ulong TargetOffset;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct StatXTime
    {
        public long Seconds;
        public uint Nanoseconds;
        public int Reserved;

        public readonly long Ns => (Seconds * 1_000_000_000) + Nanoseconds;
    }

    /// <summary>struct statx, linux/stat.h: 256 bytes, the same on every architecture.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 256)]
    public struct StatXResult
    {
        public uint Mask, BlockSize;
        public ulong Attributes;
        public uint Links, UserId, GroupId;
        public ushort Mode, Reserved;
        public ulong Inode, Size, Blocks, AttributesMask;
        public StatXTime Accessed, Born, Changed, Modified;
        public uint RDeviceMajor, RDeviceMinor, DeviceMajor, DeviceMinor;
    }
}
