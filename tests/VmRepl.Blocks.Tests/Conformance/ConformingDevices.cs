using VmRepl.Blocks;
using VmRepl.Blocks.Decorators;
using VmRepl.Blocks.Files;
using VmRepl.Blocks.Scratch;
using VmRepl.Blocks.Tests.Files;
using VmRepl.Blocks.Tests.Scratch;

namespace VmRepl.Conformance;

/// <summary>A scratch layer over nothing, and what the decorators make of it.</summary>
public abstract class ScratchBased : BlockDeviceContract
{
    private TemporaryDirectory directory = null!;

    [SetUp]
    public void MakeDirectory() => directory = new TemporaryDirectory();

    [TearDown]
    public void RemoveDirectory() => directory.Dispose();

    protected IBlockDevice Scratch() => new ScratchDevice(new EmptyDevice(DiskBytes), HostFile.Open(Path.Combine(directory.Path, "scratch"), HostFileAccess.CreateNew), ownsBelow: true);
}

[TestFixture]
public sealed class ScratchDeviceConformance : ScratchBased
{
    protected override IBlockDevice Make() => Scratch();
}

[TestFixture]
public sealed class DelayedDeviceConformance : ScratchBased
{
    protected override IBlockDevice Make() => new DelayedDevice(Scratch(), _ => TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(5), seed: 1, _ => { });
}

[TestFixture]
public sealed class LoggedDeviceConformance : ScratchBased
{
    protected override IBlockDevice Make() => new LoggedDevice(Scratch(), _ => { }, TimeProvider.System);
}

[TestFixture]
public sealed class RateLimitedDeviceConformance : ScratchBased
{
    protected override IBlockDevice Make() => new RateLimitedDevice(Scratch(), 1e6, 100, TimeProvider.System, _ => { });
}

[TestFixture]
public sealed class FailingDeviceConformance : ScratchBased
{
    protected override IBlockDevice Make() => new FailingDevice(Scratch(), seed: 1, new FailureRule { After = long.MaxValue });
}

[TestFixture]
public sealed class ClosableDeviceConformance : ScratchBased
{
    protected override IBlockDevice Make() => new ClosableDevice(Scratch(), "it");
}
