namespace VmRepl.Agent.Tests.Commands.Image;

/// <summary>Tests of one command on images, each with a directory of its own to make them in.</summary>
internal abstract class ImageCommandTests
{
    private TempDirectory? made;

    protected TempDirectory Directory => made!;

    [SetUp]
    public void MakeDirectory() => made = new TempDirectory();

    [TearDown]
    public void RemoveDirectory() => made!.Dispose();
}
