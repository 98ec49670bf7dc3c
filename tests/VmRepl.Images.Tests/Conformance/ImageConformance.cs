using VmRepl.Blocks;
using VmRepl.Conformance;

namespace VmRepl.Images.Tests.Conformance;

/// <summary>Images of every format that is written, as block devices like any other.</summary>
[TestFixture(ImageFormat.Raw)]
[TestFixture(ImageFormat.Qcow2)]
[TestFixture(ImageFormat.Vhdx)]
[TestFixture(ImageFormat.Vmdk)]
[TestFixture(ImageFormat.Vhd)]
public sealed class ImageConformance(ImageFormat format) : BlockDeviceContract
{
    private string directory = null!;
    private int made;

    [SetUp]
    public void MakeDirectory() => directory = Directory.CreateTempSubdirectory("vmrepl-images-").FullName;

    [TearDown]
    public void RemoveDirectory() => Directory.Delete(directory, recursive: true);

    protected override IBlockDevice Make() => DiskImages.Create(Path.Combine(directory, $"disk{++made}"), format, DiskBytes);
}
