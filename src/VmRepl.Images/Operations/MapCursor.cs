using VmRepl.Blocks;

namespace VmRepl.Images.Operations;

/// <summary>Goes through a device's map from start to end, run by run; past the device's end nothing is allocated.</summary>
internal sealed class MapCursor(IBlockDevice device, long length) : IDisposable
{
    private readonly IEnumerator<MapExtent> runs = device.Map(0, Math.Min(device.Length, length)).GetEnumerator();
    private MapExtent current;

    /// <summary>The run that holds <paramref name="offset"/>. Offsets never go back.</summary>
    public MapExtent At(long offset)
    {
        while (current.End <= offset) current = runs.MoveNext() ? runs.Current : new MapExtent(offset, length - offset, BlockState.Unallocated);
        return current;
    }

    public void Dispose() => runs.Dispose();
}
