namespace VmRepl.Images.Tests.Opening;

/// <summary>A field with a wrong value is one error in every format: the file, the place, the field, what may stand there and what does.</summary>
internal sealed class FieldErrorTests
{
    private readonly TestFolder folder = new();

    [OneTimeTearDown]
    public void RemoveFolder() => folder.Dispose();

    [TestCase(ImageFormat.Qcow2, 4, new byte[] { 0, 0, 0, 9 }, "version", "2 or 3", "9")]
    [TestCase(ImageFormat.Qcow2, 60, new byte[] { 0xFF, 0, 0, 0 }, "nb_snapshots", "at most 65536", "4278190080")]
    [TestCase(ImageFormat.Vmdk, 4, new byte[] { 9, 0, 0, 0 }, "version", "1 to 3", "9")]
    [TestCase(ImageFormat.Vmdk, 20, new byte[] { 7, 0, 0, 0 }, "grainSize", "a power of two from 8 to 32768 sectors", "7")]
    [TestCase(ImageFormat.Vhdx, 0, new byte[] { 0x56 }, "file identifier", "\"vhdxfile\"", "5668647866696c65")]
    [TestCase(ImageFormat.Vhd, 512, new byte[] { 0x43 }, "dynamic disk header Cookie", "\"cxsparse\"", "4378737061727365")]
    public void Open_OfAFieldThatIsWrong_SaysWhatMayStandThereAndWhatDoes(ImageFormat format, int offset, byte[] bytes, string field, string expected, string found)
    {
        var path = folder.File($"{format}-{offset}");
        DiskImages.Create(path, format, 4 << 20).Dispose();
        using (var file = File.OpenWrite(path))
        {
            file.Position = offset;
            file.Write(bytes);
        }

        var error = Assert.Throws<ImageFormatException>(() => DiskImages.Open(path, new() { Format = format }).Dispose())!;
        Assert.That((error.Path, error.Offset, error.Field, error.Expected, error.Found), Is.EqualTo((path, (long)offset, field, expected, found)));
        Assert.That(error.Message, Does.EndWith($"must be {expected}, is {found}"));
    }
}
