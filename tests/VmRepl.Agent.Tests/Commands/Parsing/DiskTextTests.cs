using VmRepl.Agent.Commands.Parsing;
using VmRepl.Images;

namespace VmRepl.Agent.Tests.Commands.Parsing;

internal sealed class DiskTextTests
{
    [TestCase("sda=/vm/a.qcow2", "sda", "/vm/a.qcow2", null)]
    [TestCase("sda=/vm/a.raw,format=raw", "sda", "/vm/a.raw", ImageFormat.Raw)]
    [TestCase("d.1_x-2=/vm/a,b=c.vhdx,format=vhdx", "d.1_x-2", "/vm/a,b=c.vhdx", ImageFormat.Vhdx)]
    [TestCase("a=/x,format=raw,format=qcow2", "a", "/x,format=raw", ImageFormat.Qcow2)]
    [TestCase("a=/x,readonly", "a", "/x,readonly", null)]
    public void TryParse_ValidText_GivesItsParts(string text, string name, string file, ImageFormat? format)
    {
        Assert.That(DiskText.TryParse(text, out var disk, out _), Is.True);
        Assert.That((disk!.Name, disk.File, disk.Format), Is.EqualTo((name, file, format)));
    }

    [Test]
    public void TryParse_RelativeFile_IsMadeFull()
    {
        Assert.That(DiskText.TryParse("a=dir/x.raw", out var disk, out _), Is.True);
        Assert.That(disk!.File, Is.EqualTo(Path.Combine(Directory.GetCurrentDirectory(), "dir/x.raw")));
    }

    [TestCase("sda", "NAME=FILE")]
    [TestCase("=x", "cannot be a disk's name")]
    [TestCase("a/b=x", "cannot be a disk's name")]
    [TestCase("a=", "file's name is missing")]
    [TestCase("a=,format=raw", "file's name is missing")]
    [TestCase("a=x,format=vdi", "\"vdi\" is no format")]
    [TestCase("a=x,format=", "\"\" is no format")]
    [TestCase("a=x,format=RAW", "\"RAW\" is no format")]
    public void TryParse_InvalidText_SaysWhy(string text, string expected)
    {
        Assert.That(DiskText.TryParse(text, out _, out var problem), Is.False);
        Assert.That(problem, Does.Contain(expected));
    }
}
