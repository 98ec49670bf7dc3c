using VmRepl.Blocks;

namespace VmRepl.Nbd.Server;

/// <summary>A device's map, asked for piece by piece: a client may ask for 4 GiB of which an answer takes the first few extents.</summary>
internal static class DeviceMap
{
    private const long StepBytes = 64 << 20;

    public static IEnumerable<MapExtent> InSteps(IBlockDevice device, long offset, long length)
    {
        for (var end = offset + length; offset < end; offset += StepBytes)
        {
            foreach (var run in device.Map(offset, Math.Min(StepBytes, end - offset))) yield return run;
        }
    }
}
