using VmRepl.Blocks.Files;

namespace VmRepl.Blocks.Tests.Files;

[TestFixture]
public class HostDirectoryTests : InTemporaryDirectory
{
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
        Assert.That(() => Host.Open(name, HostFileAccess.CreateNew), Throws.ArgumentException);
        Assert.That(() => Host.FileExists(name), Throws.ArgumentException);
        Assert.That(() => Host.Directory(name), Throws.ArgumentException);
        Assert.That(() => Host.Rename("a", name), Throws.ArgumentException);
        Assert.That(() => Host.Rename(name, "a"), Throws.ArgumentException);
        Assert.That(() => Host.Delete(name), Throws.ArgumentException);
    }

    [Test]
    public void Create_TwiceAndDeep_MakesTheDirectory()
    {
        var inner = Host.Directory("a").Directory("b");
        Assert.That(inner.Exists, Is.False);
        inner.Create();
        inner.Create();
        Assert.That(inner.Exists, Is.True);
        Assert.That(Host.ListDirectories(), Is.EqualTo(new[] { "a" }));
    }

    [Test]
    public void Lists_FilesAndDirectories_AreApartAndInOrdinalOrder()
    {
        foreach (var name in new[] { "b", "a", "B", "ä" }) Make(name, name);
        Host.Directory("z").Create();
        Host.Directory("Y").Create();
        Assert.That(Host.ListFiles(), Is.EqualTo(new[] { "B", "a", "b", "ä" }));
        Assert.That(Host.ListDirectories(), Is.EqualTo(new[] { "Y", "z" }));
        Assert.That(Host.FileExists("a"), Is.True);
        Assert.That(Host.FileExists("z"), Is.False, "a directory is no file");
    }

    [Test]
    public void Rename_OverAnother_ReplacesIt()
    {
        Make("old", "old");
        Make("new", "new");
        Host.Rename("new", "old");
        Host.Flush();
        Assert.That(Host.ListFiles(), Is.EqualTo(new[] { "old" }));
        Assert.That(File.ReadAllText(Temporary["old"]), Is.EqualTo("new"));
    }

    [Test]
    public void Delete_OpenFile_TakesTheNameAndLeavesTheReader()
    {
        Make("file", "contents");
        using var file = Host.Open("file", HostFileAccess.Read);
        Host.Delete("file");
        Assert.That(Host.FileExists("file"), Is.False);
        Assert.That(file.Read(0, new byte[8]), Is.EqualTo(8));
    }

    [Test]
    public void DeleteTree_WithContents_RemovesAllOfItAndNoMore()
    {
        var inner = Host.Directory("tree");
        inner.Directory("deep").Create();
        using (var file = inner.Open("file", HostFileAccess.CreateNew)) file.Write(0, "x"u8);
        Make("beside", "x");
        if (OperatingSystem.IsLinux()) File.CreateSymbolicLink(Path.Combine(inner.Path, "link"), Temporary["beside"]);
        inner.DeleteTree();
        Assert.That(inner.Exists, Is.False);
        Assert.That(Host.ListFiles(), Is.EqualTo(new[] { "beside" }), "a link's target is not part of the tree");
    }

    [Test]
    public void Flush_DirectoryThatIsGone_FailsAndNamesIt()
    {
        if (OperatingSystem.IsLinux())
            Assert.That(() => Host.Directory("gone").Flush(), Throws.InstanceOf<IOException>().With.Message.Contains("gone"));
    }

    [Test]
    public void FreeBytes_OfAVolumeInUse_IsWhatTheSystemSays() =>
        Assert.That(Host.FreeBytes, Is.EqualTo(new DriveInfo(Temporary.Path).AvailableFreeSpace).Within(1).Percent);

    private void Make(string name, string contents)
    {
        using var file = Host.Open(name, HostFileAccess.CreateNew);
        file.Write(0, System.Text.Encoding.UTF8.GetBytes(contents));
    }
}
