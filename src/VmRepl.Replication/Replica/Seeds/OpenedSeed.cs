using VmRepl.Blocks;

namespace VmRepl.Replication.Replica.Seeds;

/// <summary>A seed that can be read.</summary>
/// <param name="owner">Closed with it.</param>
internal sealed class OpenedSeed(IBlockDevice device, string format, IDisposable owner) : IDisposable
{
    public IBlockDevice Device => device;

    /// <summary>The image's format, or <see cref="Protocol.Names.PointSeedName.Format"/>.</summary>
    public string Format => format;

    public void Dispose() => owner.Dispose();
}
