using System.Text;
using VmRepl.Blocks.Files;

namespace VmRepl.Blocks.Tests.Files;

[TestFixture]
public class DurableFileTests
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

    [Test]
    public void Replace_AgainAndAgain_LeavesTheLastAlone()
    {
        Assert.That(DurableFile.TryRead(directory, "state"), Is.Null);
        foreach (var contents in new[] { "first, and longer", "second", "" })
        {
            DurableFile.Replace(directory, "state", Encoding.UTF8.GetBytes(contents));
            Assert.That(DurableFile.TryRead(directory, "state"), Is.EqualTo(Encoding.UTF8.GetBytes(contents)));
        }

        Assert.That(directory.ListFiles(), Is.EqualTo(new[] { "state" }));
    }

    [Test]
    public void Replace_LeftoverOfACrash_IsOverwritten()
    {
        File.WriteAllText(temporary["state"], "old");
        File.WriteAllText(temporary["state.new"], "torn, and longer than what comes now");
        Assert.That(DurableFile.TryRead(directory, "state"), Is.EqualTo("old"u8.ToArray()), "a crash before the rename leaves the old contents");
        DurableFile.Replace(directory, "state", "new"u8);
        Assert.That(DurableFile.TryRead(directory, "state"), Is.EqualTo("new"u8.ToArray()));
        Assert.That(directory.ListFiles(), Is.EqualTo(new[] { "state" }));
    }

    [Test]
    public void TryRead_FileBeyondTheBound_IsRefusedBeforeItIsRead()
    {
        using (var file = directory.Open("state", HostFileAccess.CreateNew)) file.SetLength(DurableFile.BytesMax + 1L);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.That(() => DurableFile.TryRead(directory, "state"), Throws.InstanceOf<IOException>().With.Message.Contains("state"));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(DurableFile.BytesMax));
    }
}
