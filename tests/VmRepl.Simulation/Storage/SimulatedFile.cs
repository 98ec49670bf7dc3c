using VmRepl.Blocks.Files;

namespace VmRepl.Simulation.Storage;

/// <summary>An open file of a <see cref="SimulatedVolume"/>. It dies with the machine.</summary>
public sealed class SimulatedFile : IHostFile
{
    private readonly SimulatedVolume volume;
    private readonly SimulatedInode inode;
    private readonly int life;
    private bool isClosed;

    internal SimulatedFile(SimulatedVolume volume, SimulatedInode inode, string path, bool isReadOnly)
    {
        this.volume = volume;
        this.inode = inode;
        life = volume.Life;
        Path = path;
        IsReadOnly = isReadOnly;
    }

    public string Path { get; }

    public bool IsReadOnly { get; }

    public long Length => inode.Length;

    public FileIdentity Identity => new(0, inode.Number, inode.Length, 0, 0);

    public int Read(long offset, Span<byte> buffer)
    {
        RequireOpen();
        volume.BeforeReading(life, Path);
        return inode.Read(offset, buffer);
    }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        RequireWritable();
        var copy = data.ToArray();
        volume.Write(life, Path, () => inode.Write(offset, copy));
    }

    public void SetLength(long length) => Change(() => inode.SetLength(length));

    public bool TryPunch(long offset, long length)
    {
        RequireWritable();
        if (!volume.PunchesHoles) return false;
        volume.Punch(life, Path, part => inode.Punch(offset, part), length);
        return true;
    }

    /// <summary>Copies: as durable, and as torn when power is lost, as a write of the same bytes. What it saves in space is not modelled.</summary>
    public bool TryCloneRange(IHostFile source, long sourceOffset, long offset, long length)
    {
        if (!volume.SharesExtents || source is not SimulatedFile from) return false;
        if ((sourceOffset | offset | length) % SimulatedPage.Bytes != 0) throw new ArgumentException($"{Path}: {length} bytes from {sourceOffset} to {offset} are not whole blocks");
        RequireWritable();
        var copy = new byte[length];
        if (from.inode.Read(sourceOffset, copy) != length) throw new ArgumentException($"{from.Path} ends inside {length} bytes from {sourceOffset}");
        volume.Write(life, Path, () => inode.Write(offset, copy));
        return true;
    }

    public void BeginWriteBack(long offset, long length)
    {
        RequireOpen();
        volume.RequireUp(life);
        inode.BeginWriteBack(offset, length);
    }

    public void Flush()
    {
        RequireOpen();
        volume.Flush(life, Path, inode);
    }

    public IEnumerable<FileRun> Map(long offset, long length)
    {
        RequireOpen();
        volume.RequireUp(life);
        // A run at a time, as a file system tells them: who wants the first one does not pay for the rest.
        return Runs(offset, Math.Min(offset + length, inode.Length));
    }

    public void Dispose() => isClosed = true;

    private IEnumerable<FileRun> Runs(long at, long end)
    {
        while (at < end)
        {
            var first = at / SimulatedPage.Bytes;
            var next = Math.Min(end, inode.RunEnd(first, (end + SimulatedPage.Bytes - 1) / SimulatedPage.Bytes) * SimulatedPage.Bytes);
            yield return new FileRun(at, next - at, inode.IsHole(first));
            at = next;
        }
    }

    private void Change(Action change)
    {
        RequireWritable();
        volume.Change(life, change);
    }

    private void RequireWritable()
    {
        RequireOpen();
        if (IsReadOnly) throw new UnauthorizedAccessException($"{Path} is open for reading");
    }

    private void RequireOpen() => ObjectDisposedException.ThrowIf(isClosed, this);
}
