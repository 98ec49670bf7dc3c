using VmRepl.Images.Opening;

namespace VmRepl.Images.Tests.Opening;

/// <summary>What an image may make the process open: regular files in directories that the operator named, and nothing else.</summary>
public sealed class ReferenceTests
{
    private ScratchDirectory scratch = null!;

    [SetUp]
    public void Make()
    {
        ExternalTool.Require("qemu-img");
        scratch = new ScratchDirectory();
        Directory.CreateDirectory(scratch["home"]);
        Directory.CreateDirectory(scratch["outside"]);
        QemuImg.Create(scratch["outside/base.qcow2"], 1 << 20);
    }

    [TearDown]
    public void Remove() => scratch?.Dispose();

    private string Overlay(string name, string backing, string format = "qcow2")
    {
        var path = scratch[$"home/{name}"];
        QemuImg.Must("qemu-img", ["create", "-q", "-u", "-f", "qcow2", "-b", backing, "-F", format, path, "1M"]);
        return path;
    }

    [TestCase("https://example.org/base.img")]
    [TestCase("nbd://localhost/disk")]
    [TestCase("json:{\"driver\":\"file\",\"filename\":\"/etc/passwd\"}")]
    [TestCase("file:/etc/passwd")]
    [TestCase("/etc/passwd")]
    [TestCase("/dev/zero")]
    [TestCase("../outside/base.qcow2")]
    [TestCase("../../../../../../etc/passwd")]
    public void Backing_OutsideThePolicy_IsRefusedAndNotOpened(string name)
    {
        var path = Overlay("a.qcow2", name, "raw");
        var files = new RecordingFiles();
        Assert.That(() => DiskImages.Open(path, new ImageOpenOptions { Files = files }), Throws.TypeOf<ReferenceRefusedException>().With.Property("Reference").EqualTo(name));
        Assert.That(files.Opened, Is.EqualTo(new[] { path }));
    }

    [Test]
    public void Backing_InADirectoryThatWasAllowed_IsOpened()
    {
        var path = Overlay("a.qcow2", scratch["outside/base.qcow2"]);
        Assert.That(() => DiskImages.Open(path), Throws.TypeOf<ReferenceRefusedException>());
        using var image = DiskImages.Open(path, new ImageOpenOptions { Allow = [scratch["outside"]] });
        Assert.That(image.Files, Has.Count.EqualTo(2));
    }

    [Test]
    public void Backing_ThroughALinkedFile_IsRefused()
    {
        File.CreateSymbolicLink(scratch["home/link.qcow2"], scratch["outside/base.qcow2"]);
        Assert.That(() => DiskImages.Open(Overlay("a.qcow2", "link.qcow2")), Throws.TypeOf<ReferenceRefusedException>().With.Message.Contains("symbolic link"));
    }

    [Test]
    public void Backing_ThroughALinkedDirectory_IsJudgedByWhereItLeads()
    {
        Directory.CreateSymbolicLink(scratch["home/away"], scratch["outside"]);
        Assert.That(() => DiskImages.Open(Overlay("a.qcow2", "away/base.qcow2")), Throws.TypeOf<ReferenceRefusedException>());
    }

    [Test]
    public void Backing_ThroughALinkToBelowALink_IsJudgedByWhereItLeads()
    {
        Directory.CreateDirectory(scratch["outside/sub"]);
        QemuImg.Create(scratch["outside/sub/base.qcow2"], 1 << 20);
        Directory.CreateSymbolicLink(scratch["home/away"], scratch["outside"]);
        Directory.CreateSymbolicLink(scratch["home/inner"], scratch["home/away/sub"]);
        Assert.That(() => DiskImages.Open(Overlay("a.qcow2", "inner/base.qcow2")), Throws.TypeOf<ReferenceRefusedException>());
    }

    [Test]
    public void Backing_ThroughLinksInACircle_IsRefused()
    {
        Directory.CreateSymbolicLink(scratch["home/x"], scratch["home/y"]);
        Directory.CreateSymbolicLink(scratch["home/y"], scratch["home/x"]);
        Assert.That(() => DiskImages.Open(Overlay("a.qcow2", "x/base.qcow2")), Throws.TypeOf<ReferenceRefusedException>());
    }

    [Test]
    public void Backing_ThatIsAFifo_IsRefusedAndDoesNotWait()
    {
        ExternalTool.Require("mkfifo");
        QemuImg.Must("mkfifo", [scratch["home/fifo"]]);
        Assert.That(() => DiskImages.Open(Overlay("a.qcow2", "fifo", "raw")), Throws.TypeOf<ReferenceRefusedException>().With.Message.Contains("regular"));
    }

    [TestCase("missing.qcow2")]
    [TestCase("no/such/directory.qcow2")]
    public void Backing_ThatIsMissing_IsATypedError(string name) =>
        Assert.That(() => DiskImages.Open(Overlay("a.qcow2", name)), Throws.TypeOf<ImageFormatException>().With.Message.Contains("does not exist"));

    [Test]
    public void Backing_WithoutItsFormat_IsRefusedAndNotProbed()
    {
        var path = scratch["home/a.qcow2"];
        QemuImg.Create(scratch["home/base.qcow2"], 1 << 20);
        Overlay("a.qcow2", "base.qcow2");
        var bytes = File.ReadAllBytes(path);
        // The extension's type, made one that nobody knows.
        var at = bytes.AsSpan().IndexOf(new byte[] { 0xE2, 0x79, 0x2A, 0xCA });
        bytes[at] = 0x11;
        File.WriteAllBytes(path, bytes);
        Assert.That(() => DiskImages.Open(path), Throws.TypeOf<ImageFormatException>().With.Message.Contains("backing format").And.Message.Contains("missing"));
    }

    [Test]
    public void Backing_SaidToBeRaw_IsReadAsRawWhateverItHolds()
    {
        QemuImg.Create(scratch["home/base.img"], 1 << 20);
        using var image = DiskImages.Open(Overlay("a.qcow2", "base.img", "raw"));
        var head = new byte[4];
        image.Read(0, head);
        Assert.That(head, Is.EqualTo(new byte[] { 0x51, 0x46, 0x49, 0xFB }));
    }

    [Test]
    public void Chain_ThatLeadsBackToItself_IsRefused()
    {
        Assert.That(() => DiskImages.Open(Overlay("self.qcow2", "self.qcow2")), Throws.TypeOf<ImageFormatException>().With.Message.Contains("already part"));
        Overlay("one.qcow2", "two.qcow2");
        Overlay("two.qcow2", "one.qcow2");
        Assert.That(() => DiskImages.Open(scratch["home/one.qcow2"]), Throws.TypeOf<ImageFormatException>().With.Message.Contains("already part"));
    }

    [Test]
    public void Chain_DeeperThanTheBound_IsRefused()
    {
        QemuImg.Create(scratch["home/0.qcow2"], 1 << 20);
        for (var i = 1; i < ImageContext.DepthMax + 1; i++)
        {
            // One made by qemu-img, the others by changing the name in it: the names are of one length.
            if (i == 1) Overlay("01.qcow2", "0.qcow2");
            else if (i == 2) Overlay("02.qcow2", "01.qcow2");
            else CopyWithBacking("02.qcow2", $"{i:D2}.qcow2", $"{i - 1:D2}.qcow2");
        }

        using (var image = DiskImages.Open(scratch[$"home/{ImageContext.DepthMax - 1:D2}.qcow2"])) Assert.That(image.Files, Has.Count.EqualTo(ImageContext.DepthMax));
        Assert.That(() => DiskImages.Open(scratch[$"home/{ImageContext.DepthMax:D2}.qcow2"]), Throws.TypeOf<ImageFormatException>().With.Message.Contains("deeper"));
    }

    [Test]
    public void DataFile_OutsideThePolicy_IsRefused()
    {
        QemuImg.Create(scratch["home/a.qcow2"], 1 << 20, $"data_file={scratch["outside/a.data"]}");
        Assert.That(() => DiskImages.Open(scratch["home/a.qcow2"]), Throws.TypeOf<ReferenceRefusedException>());
        using var image = DiskImages.Open(scratch["home/a.qcow2"], new ImageOpenOptions { Allow = [scratch["outside"]] });
        Assert.That(image.Files, Has.Count.EqualTo(2));
    }

    [Test]
    public void Image_ThatIsNoRegularFile_IsRefusedAndDoesNotWait()
    {
        ExternalTool.Require("mkfifo");
        QemuImg.Must("mkfifo", [scratch["home/fifo"]]);
        Assert.That(() => DiskImages.Open(scratch["home/fifo"]), Throws.InstanceOf<IOException>().With.Message.Contains("regular"));
        Assert.That(() => DiskImages.Open("/dev/zero"), Throws.InstanceOf<IOException>().With.Message.Contains("regular"));
    }

    private void CopyWithBacking(string from, string to, string backing)
    {
        var bytes = File.ReadAllBytes(scratch[$"home/{from}"]);
        var at = bytes.AsSpan().IndexOf("01.qcow2"u8);
        System.Text.Encoding.ASCII.GetBytes(backing, bytes.AsSpan(at));
        File.WriteAllBytes(scratch[$"home/{to}"], bytes);
    }
}
