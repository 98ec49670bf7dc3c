namespace VmRepl.Blocks.Files;

/// <summary>What tells one state of one file from another: which file, how long, when its contents and when its metadata last changed.</summary>
/// <param name="Device">Volume (major and minor number).</param>
/// <param name="File">File number (inode).</param>
/// <param name="Length">Bytes.</param>
/// <param name="ModifiedNs">Time of the last write, nanoseconds since 1970; a program can set it back.</param>
/// <param name="ChangedNs">Time of the last change of any kind (ctime), nanoseconds since 1970; only the kernel sets it.</param>
public readonly record struct FileIdentity(ulong Device, ulong File, long Length, long ModifiedNs, long ChangedNs)
{
    /// <summary>Whether both name one file, whatever it holds.</summary>
    public bool IsSameFile(FileIdentity other) => Device == other.Device && File == other.File;
}
