using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vhdx;

/// <summary>
/// Brings what the log holds into force ([MS-VHDX] 2.3.3): in the file where it may be written, in memory where not.
/// The log is not a way to write anywhere: headers, region tables and the log itself are out of its reach.
/// </summary>
internal static class VhdxLogReplay
{
    /// <summary>Longest file that a log may ask for: the largest disk, and as much again for everything else.</summary>
    private const ulong FileLengthMax = 2 * (ulong)VhdxLayout.LengthMax;

    /// <summary>Most changes that are replayed. A log of 1 MiB, as all known writers make it, has room for a quarter of them.</summary>
    private const int DescriptorsMax = 128 << 10;

    /// <summary>What a range of zeros takes in memory.</summary>
    private const int ZeroBytes = 16;

    /// <summary>Replays the log if there is one. Afterwards <paramref name="file"/> reads as the newest consistent state.</summary>
    /// <param name="memory">The chain's: what lies over a file that may not be written is held there.</param>
    /// <returns>Whether there was a log to replay.</returns>
    /// <exception cref="ImageFormatException">The log is damaged, the file shorter than the log knew it, or a change reaches where none may.</exception>
    public static bool Run(VhdxFile file, VhdxHeaderPair headers, bool writable, TableMemory memory)
    {
        var header = headers.Current;
        if (header.LogGuid == Guid.Empty) return false;
        var entries = VhdxLogReader.ActiveSequence(file, header);
        var descriptors = entries.Sum(e => (long)e.Descriptors);
        if (descriptors > DescriptorsMax) throw file.Mismatch((long)header.LogOffset, "log", $"of at most {DescriptorsMax} descriptors to be replayed", $"of {descriptors}");
        var lastLength = entries.Max(e => e.LastFileOffset);
        if (lastLength > FileLengthMax) throw file.Mismatch((long)header.LogOffset, "LastFileOffset", $"at most {FileLengthMax}, which is more than any VHDX needs", $"{lastLength}");
        foreach (var entry in entries)
        {
            if (entry.FlushedFileOffset > (ulong)file.Length)
                throw file.Mismatch((long)header.LogOffset + entry.Offset + 48, "FlushedFileOffset", $"at most {file.Length}, the length of the file, which was truncated since", $"{entry.FlushedFileOffset}");
        }

        var length = Math.Max(file.Length, (long)lastLength);
        var log = new Extent((long)header.LogOffset, header.LogLength);
        // All is checked before anything is written.
        var changes = entries.SelectMany(e => e.Changes()).ToList();
        foreach (var change in changes) Check(file, change, log, length);
        if (writable)
        {
            Write(file, headers, changes, length);
            return true;
        }

        var held = changes.Sum(c => c.Sector?.Length ?? ZeroBytes);
        if (!memory.TryHold(held)) throw file.Mismatch(log.Offset, "log", $"with what the logs behind it hold at most {TableMemory.HeldBytesMax} bytes of changes, or to be replayed by a writer", $"{held} bytes of changes");
        Overlay(file, changes, length);
        return true;
    }

    private static void Check(VhdxFile file, VhdxLogChange change, Extent log, long length)
    {
        if (change.FileOffset % VhdxLayout.LogSectorBytes != 0 || change.Length % VhdxLayout.LogSectorBytes != 0 || change.Length == 0
            || change.FileOffset < VhdxLayout.MiB || change.FileOffset > (ulong)length || change.Length > (ulong)length - change.FileOffset
            || new Extent((long)change.FileOffset, (long)change.Length).Overlaps(log))
        {
            throw file.Mismatch(log.Offset, "log descriptor", $"for whole sectors inside [1 MiB, {length}) and outside the log", $"for {change.Length} bytes at {change.FileOffset}");
        }
    }

    private static void Overlay(VhdxFile file, List<VhdxLogChange> changes, long length)
    {
        file.OverlayLength(length);
        foreach (var (range, sector) in VhdxLogOverlay.Resolve(changes))
        {
            if (sector is not null) file.Overlay(range.Offset, sector);
            else file.OverlayZeros(range);
        }
    }

    private static void Write(VhdxFile file, VhdxHeaderPair headers, List<VhdxLogChange> changes, long length)
    {
        var target = file.File;
        if (target.Length < length) target.SetLength(length);
        foreach (var (range, sector) in VhdxLogOverlay.Resolve(changes))
        {
            if (sector is not null) target.Write(range.Offset, sector);
            else target.Clear(range.Offset, range.Length);
        }

        // In force before the log is given up: until then every crash replays it again.
        target.Flush();
        headers.Update(headers.Current with { LogGuid = Guid.Empty });
    }
}
