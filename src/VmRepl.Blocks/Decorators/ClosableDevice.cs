namespace VmRepl.Blocks.Decorators;

/// <summary>
/// A device that can be taken from under those who use it: after <see cref="Dispose"/> every request ends in an <see cref="ObjectDisposedException"/>, and none is under way any more, so that what lies below
/// can be closed. The device below is not its own.
/// </summary>
/// <param name="name">What it is, for the message of whoever comes too late.</param>
public sealed class ClosableDevice(IBlockDevice below, string name) : IBlockDevice, IQuickZero
{
    private readonly ReaderWriterLockSlim gate = new();
    private readonly IQuickZero? quick = below as IQuickZero;
    private bool isClosed;

    public long Length { get; } = below.Length;

    public int SectorSize { get; } = below.SectorSize;

    public bool IsReadOnly { get; } = below.IsReadOnly;

    public void Read(long offset, Span<byte> buffer)
    {
        Enter();
        try
        {
            below.Read(offset, buffer);
        }
        finally
        {
            gate.ExitReadLock();
        }
    }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        Enter();
        try
        {
            below.Write(offset, data);
        }
        finally
        {
            gate.ExitReadLock();
        }
    }

    public void Zero(long offset, long length) => Run(() => below.Zero(offset, length));

    public void Punch(long offset, long length) => Run(() => below.Punch(offset, length));

    public void Flush() => Run(below.Flush);

    public bool IsZeroQuick(long offset, long length) => quick?.IsZeroQuick(offset, length) ?? false;

    public bool IsPunchQuick(long offset, long length) => quick?.IsPunchQuick(offset, length) ?? false;

    /// <summary>In steps: whoever takes the map's runs one by one may take for ever, and holds nothing meanwhile.</summary>
    public IEnumerable<MapExtent> Map(long offset, long length)
    {
        const int runsInStep = 1024;
        for (var end = offset + length; offset < end;)
        {
            List<MapExtent> step = [];
            Run(() => step.AddRange(below.Map(offset, end - offset).Take(runsInStep)));
            foreach (var run in step) yield return run;
            offset = step[^1].End;
        }
    }

    /// <summary>Waits for the requests under way.</summary>
    public void Dispose()
    {
        gate.EnterWriteLock();
        isClosed = true;
        gate.ExitWriteLock();
    }

    private void Run(Action request)
    {
        Enter();
        try
        {
            request();
        }
        finally
        {
            gate.ExitReadLock();
        }
    }

    private void Enter()
    {
        gate.EnterReadLock();
        if (!isClosed) return;
        gate.ExitReadLock();
        throw new ObjectDisposedException(name, $"{name} was taken away");
    }
}
