using VmRepl.Blocks.Files;

namespace VmRepl.Blocks.Tests.Files;

/// <summary>Tests that have a directory of their own, anew for each.</summary>
public abstract class InTemporaryDirectory
{
    internal TemporaryDirectory Temporary { get; private set; } = null!;

    internal HostDirectory Host { get; private set; } = null!;

    [SetUp]
    public void Make()
    {
        Temporary = new TemporaryDirectory();
        Host = new HostDirectory(Temporary.Path);
    }

    [TearDown]
    public void Remove() => Temporary.Dispose();
}
