using VmRepl.Blocks.Files;

namespace VmRepl.Clones.Drops;

/// <summary>What tells one version of a file in a drop directory from another. A rename, a link and a change of rights make no other version.</summary>
/// <param name="Device">Volume.</param>
/// <param name="File">File number.</param>
/// <param name="Length">Bytes.</param>
/// <param name="ModifiedNs">Time of the last write, nanoseconds since 1970.</param>
public readonly record struct FileVersion(ulong Device, ulong File, long Length, long ModifiedNs)
{
    public static FileVersion Of(FileIdentity identity) => new(identity.Device, identity.File, identity.Length, identity.ModifiedNs);

    /// <summary>When it was last written; within the years that a time can have.</summary>
    public DateTimeOffset Modified => DateTimeOffset.UnixEpoch.AddTicks(Math.Max(0, ModifiedNs) / 100);
}
