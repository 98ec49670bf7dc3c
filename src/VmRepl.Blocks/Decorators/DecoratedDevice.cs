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

    public void Read(long offset, Span<byte> buffer) => Run(DeviceOperation.Read, offset, buffer.Length, buffer, static (device, at, into) => device.Read(at, into));

    public void Write(long offset, ReadOnlySpan<byte> data) => Run(DeviceOperation.Write, offset, data.Length, data, static (device, at, from) => device.Write(at, from));

    public void Zero(long offset, long length) => Run(DeviceOperation.Zero, offset, length, length, static (device, at, bytes) => device.Zero(at, bytes));

    public void Punch(long offset, long length) => Run(DeviceOperation.Punch, offset, length, length, static (device, at, bytes) => device.Punch(at, bytes));

    public void Flush() => Run(DeviceOperation.Flush, 0, 0, 0, static (device, _, _) => device.Flush());

    /// <summary>One request, when it is called; the runs come as the device below gives them.</summary>
    public IEnumerable<MapExtent> Map(long offset, long length)
    {
        IEnumerable<MapExtent> runs = [];
        Run(DeviceOperation.Map, offset, length, length, (device, at, bytes) => runs = device.Map(at, bytes));
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

    private void Run<T>(DeviceOperation operation, long offset, long length, T argument, Action<IBlockDevice, long, T> request)
        where T : allows ref struct
    {
        var state = Before(operation, offset, length);
        try
        {
            request(below, offset, argument);
        }
        catch (Exception failure)
        {
            After(operation, offset, length, state, failure);
            throw;
        }

        After(operation, offset, length, state, null);
    }
}
