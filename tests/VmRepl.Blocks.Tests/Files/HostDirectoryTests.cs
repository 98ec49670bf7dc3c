using VmRepl.Blocks.Files;

namespace VmRepl.Blocks.Tests.Files;

[TestFixture]
public class HostDirectoryTests
{
    private TemporaryDirectory temporary = null!;
    private HostDirectory directory = null!;

    [SetUp]
    public void Make()
    {
        temporary = new TemporaryDirectory();
        directory = new HostDirectory(temporary.Path);
    }

    [TearDown]
    public void Remove() => temporary.Dispose();

    [TestCase("")]
    [TestCase(".")]
    [TestCase("..")]
    [TestCase("../outside")]
    [TestCase("a/b")]
    [TestCase("a\\b")]
    [TestCase("/etc/passwd")]
    [TestCase("nul\0byte")]
    public void EveryCall_NameThatIsAPath_IsRefused(string name)
    {
        Assert.That(() => directory.Open(name, HostFileAccess.CreateNew), Throws.ArgumentException);
        Assert.That(() => directory.FileExists(name), Throws.ArgumentException);
        Assert.That(() => directory.Directory(name), Throws.ArgumentException);
        Assert.That(() => directory.Rename("a", name), Throws.ArgumentException);
        Assert.That(() => directory.Rename(name, "a"), Throws.ArgumentException);
        Assert.That(() => directory.Delete(name), Throws.ArgumentException);
    }

    [Test]
    public void Create_TwiceAndDeep_MakesTheDirectory()
    {
        var inner = directory.Directory("a").Directory("b");
        Assert.That(inner.Exists, Is.False);
        inner.Create();
        inner.Create();
        Assert.That(inner.Exists, Is.True);
        Assert.That(directory.ListDirectories(), Is.EqualTo(new[] { "a" }));
    }

    [Test]
    public void Lists_FilesAndDirectories_AreApartAndInOrdinalOrder()
    {
        foreach (var name in new[] { "b", "a", "B", "ä" }) Make(name, name);
        directory.Directory("z").Create();
        directory.Directory("Y").Create();
        Assert.That(directory.ListFiles(), Is.EqualTo(new[] { "B", "a", "b", "ä" }));
        Assert.That(directory.ListDirectories(), Is.EqualTo(new[] { "Y", "z" }));
        Assert.That(directory.FileExists("a"), Is.True);
        Assert.That(directory.FileExists("z"), Is.False, "a directory is no file");
    }

    [Test]
    public void Rename_OverAnother_ReplacesIt()
    {
        Make("old", "old");
        Make("new", "new");
        directory.Rename("new", "old");
        directory.Flush();
        Assert.That(directory.ListFiles(), Is.EqualTo(new[] { "old" }));
        Assert.That(File.ReadAllText(temporary["old"]), Is.EqualTo("new"));
    }

    [Test]
    public void Delete_OpenFile_TakesTheNameAndLeavesTheReader()
    {
        Make("file", "contents");
        using var file = directory.Open("file", HostFileAccess.Read);
        directory.Delete("file");
        Assert.That(directory.FileExists("file"), Is.False);
        Assert.That(file.Read(0, new byte[8]), Is.EqualTo(8));
    }

    [Test]
    public void DeleteTree_WithContents_RemovesAllOfItAndNoMore()
    {
        var inner = directory.Directory("tree");
        inner.Directory("deep").Create();
        using (var file = inner.Open("file", HostFileAccess.CreateNew)) file.Write(0, "x"u8);
        Make("beside", "x");
        if (OperatingSystem.IsLinux()) File.CreateSymbolicLink(Path.Combine(inner.Path, "link"), temporary["beside"]);
        inner.DeleteTree();
        Assert.That(inner.Exists, Is.False);
        Assert.That(directory.ListFiles(), Is.EqualTo(new[] { "beside" }), "a link's target is not part of the tree");
    }

    [Test]
    public void Flush_DirectoryThatIsGone_FailsAndNamesIt()
    {
        if (OperatingSystem.IsLinux())
            Assert.That(() => directory.Directory("gone").Flush(), Throws.InstanceOf<IOException>().With.Message.Contains("gone"));
    }

    [Test]
    public void FreeBytes_OfAVolumeInUse_IsWhatTheSystemSays() =>
        Assert.That(directory.FreeBytes, Is.EqualTo(new DriveInfo(temporary.Path).AvailableFreeSpace).Within(1).Percent);

    private void Make(string name, string contents)
    {
        using var file = directory.Open(name, HostFileAccess.CreateNew);
        file.Write(0, System.Text.Encoding.UTF8.GetBytes(contents));
    }
}
