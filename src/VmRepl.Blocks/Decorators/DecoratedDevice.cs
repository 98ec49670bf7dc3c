namespace VmRepl.Blocks.Decorators;

/// <summary>
/// A device with something done before and after each request. <see cref="IQuickZero"/> is passed on; <see cref="IHostBacked"/> is hidden on purpose, since whoever has the file goes round the decorator.
/// The device below is not its own: disposing does nothing. As safe for concurrent requests as the device below.
/// </summary>
public abstract class DecoratedDevice(IBlockDevice below) : IBlockDevice, IQuickZero
{
    private readonly IQuickZero? quick = below as IQuickZero;

    public long Length => below.Length;

    public int SectorSize => below.SectorSize;

    public bool IsReadOnly => below.IsReadOnly;

    public void Read(long offset, Span<byte> buffer)
    {
        var state = Before(DeviceOperation.Read, offset, buffer.Length);
        try
        {
            below.Read(offset, buffer);
        }
        catch (Exception failure)
        {
            After(DeviceOperation.Read, offset, buffer.Length, state, failure);
            throw;
        }

        After(DeviceOperation.Read, offset, buffer.Length, state, null);
    }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        var state = Before(DeviceOperation.Write, offset, data.Length);
        try
        {
            below.Write(offset, data);
        }
        catch (Exception failure)
        {
            After(DeviceOperation.Write, offset, data.Length, state, failure);
            throw;
        }

        After(DeviceOperation.Write, offset, data.Length, state, null);
    }

    public void Zero(long offset, long length) => Run(DeviceOperation.Zero, offset, length, () => below.Zero(offset, length));

    public void Punch(long offset, long length) => Run(DeviceOperation.Punch, offset, length, () => below.Punch(offset, length));

    public void Flush() => Run(DeviceOperation.Flush, 0, 0, below.Flush);

    /// <summary>One request, when it is called; the runs come as the device below gives them.</summary>
    public IEnumerable<MapExtent> Map(long offset, long length)
    {
        IEnumerable<MapExtent> runs = [];
        Run(DeviceOperation.Map, offset, length, () => runs = below.Map(offset, length));
        return runs;
    }

    public bool IsZeroQuick(long offset, long length) => quick?.IsZeroQuick(offset, length) ?? false;

    public bool IsPunchQuick(long offset, long length) => quick?.IsPunchQuick(offset, length) ?? false;

    public void Dispose() => GC.SuppressFinalize(this);

    /// <summary>Before the request; what it throws ends it, and the device below is not asked.</summary>
    /// <returns>Whatever <see cref="After"/> wants to know.</returns>
    protected abstract long Before(DeviceOperation operation, long offset, long length);

    /// <param name="operation">As before.</param>
    /// <param name="offset">Bytes; 0 for a flush.</param>
    /// <param name="length">Bytes; 0 for a flush.</param>
    /// <param name="state">What <see cref="Before"/> returned.</param>
    /// <param name="failure">What the device below threw, which goes on to the caller; none where it succeeded.</param>
    protected virtual void After(DeviceOperation operation, long offset, long length, long state, Exception? failure)
    {
    }

    private void Run(DeviceOperation operation, long offset, long length, Action request)
    {
        var state = Before(operation, offset, length);
        try
        {
            request();
        }
        catch (Exception failure)
        {
            After(operation, offset, length, state, failure);
            throw;
        }

        After(operation, offset, length, state, null);
    }
}
