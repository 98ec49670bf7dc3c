using VmRepl.Images.Opening;

namespace VmRepl.Images.Tests.Opening;

/// <summary>Names that no file can have, or that are something else than a file: each is refused by a typed error that says which name it was, and never by whatever the host says about it.</summary>
public sealed class ReferenceNameTests
{
    private readonly TestFolder folder = new();

    [OneTimeTearDown]
    public void Remove() => folder.Dispose();

    [TestCase("sub", typeof(ReferenceRefusedException))]
    [TestCase("sub/", typeof(ReferenceRefusedException))]
    [TestCase("flat.raw/x", typeof(ImageFormatException))]
    [TestCase("missing.raw", typeof(ImageFormatException))]
    public void Extent_ThatIsNoFile_IsATypedError(string name, Type error) => RequireRefused(name, error);

    [Test]
    public void Extent_WithANameLongerThanAnyFilesIs_IsATypedError()
    {
        RequireRefused(new string('n', 300), typeof(ImageFormatException));
        RequireRefused(string.Concat(Enumerable.Repeat("a/", 3000)) + "x", typeof(ImageFormatException));
    }

    private void RequireRefused(string name, Type error)
    {
        Directory.CreateDirectory(folder.File("sub"));
        File.WriteAllBytes(folder.File("flat.raw"), new byte[4096]);
        var path = folder.File("disk.vmdk");
        File.WriteAllText(path, $"# Disk DescriptorFile\nversion=1\nCID=00000001\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\nRW 8 FLAT \"{name}\" 0\n");
        Assert.That(() => DiskImages.Open(path), Throws.TypeOf(error));
    }
}
