using VmRepl.Blocks;

namespace VmRepl.Images.Operations;

/// <summary>Goes through a device's map from start to end; past the device's end everything is zeros.</summary>
internal sealed class RunCursor(IBlockDevice device, long length) : IDisposable
{
    private readonly IEnumerator<MapExtent> runs = device.Map(0, device.Length).GetEnumerator();
    private long end;
    private bool hasData;

    /// <summary>Where the run that holds <paramref name="offset"/> ends, and whether it must be read. Offsets never go back.</summary>
    public (long End, bool HasData) At(long offset)
    {
        while (end <= offset)
        {
            if (runs.MoveNext()) (end, hasData) = (runs.Current.End, runs.Current.HasData);
            else (end, hasData) = (length, false);
        }

        return (end, hasData);
    }

    public void Dispose() => runs.Dispose();
}
