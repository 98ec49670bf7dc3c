using VmRepl.Blocks.Files;

namespace VmRepl.Simulation.Storage;

/// <summary>
/// A mapped file of a <see cref="SimulatedVolume"/>. A killed process leaves in it all that it stored; a loss of power leaves what was flushed and, sector by sector, some of the rest.
/// Each opening of a page for writing is a change, at which the machine may go down before anything is stored.
/// </summary>
public sealed class SimulatedMemory : IHostMemory
{
    private static readonly byte[] Zeros = new byte[IHostMemory.PageBytes];

    private readonly SimulatedVolume volume;
    private readonly SimulatedInode inode;
    private readonly int life;
    private bool isClosed;

    internal SimulatedMemory(SimulatedVolume volume, SimulatedInode inode, string path)
    {
        if (inode.Length == 0 || inode.Length % IHostMemory.PageBytes != 0) throw new IOException($"{path}: {inode.Length} bytes are not whole pages");
        this.volume = volume;
        this.inode = inode;
        life = volume.Life;
        Path = path;
        PageCount = inode.Length / IHostMemory.PageBytes;
    }

    public string Path { get; }

    public long PageCount { get; }

    public ReadOnlySpan<byte> Page(long index)
    {
        Check(index, 1);
        volume.RequireUp(life);
        var page = inode.Page(index);
        return page.IsEmpty ? Zeros : page;
    }

    public Span<byte> WritablePage(long index)
    {
        Check(index, 1);
        if (inode.IsHole(index))
        {
            // A store into a hole for which there is no room ends the process.
            try
            {
                inode.Reserve(index, 1);
            }
            catch (IOException)
            {
                volume.Crash(CrashKind.ProcessKill);
                throw new SimulatedCrashException();
            }
        }

        volume.Change(life, () => { });
        return inode.WritablePage(index);
    }

    public void Reserve(long firstPage, long count)
    {
        Check(firstPage, count);
        volume.Write(life, Path, () => inode.Reserve(firstPage, count));
    }

    public bool TryPunch(long firstPage, long count)
    {
        Check(firstPage, count);
        if (!volume.PunchesHoles) return false;
        volume.Punch(life, Path, part => inode.Punch(firstPage * IHostMemory.PageBytes, part), count * IHostMemory.PageBytes);
        return true;
    }

    public void Flush(long firstPage, long count)
    {
        Check(firstPage, count);
        // What was stored last is no change of its own, so the machine may also go down between it and the flush.
        volume.Change(life, () => { });
        volume.Flush(life, Path, () => inode.Flush(firstPage, count), inode.ForgetUnflushed);
    }

    public void Dispose() => isClosed = true;

    private void Check(long firstPage, long count)
    {
        ObjectDisposedException.ThrowIf(isClosed, this);
        if (firstPage < 0 || count < 0 || count > PageCount - firstPage) throw new ArgumentOutOfRangeException(nameof(firstPage), $"{Path}: pages {firstPage}+{count} of {PageCount}");
    }
}
