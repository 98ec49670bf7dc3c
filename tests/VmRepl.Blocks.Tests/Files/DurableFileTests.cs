using System.Text;
using VmRepl.Blocks.Files;

namespace VmRepl.Blocks.Tests.Files;

[TestFixture]
public class DurableFileTests : InTemporaryDirectory
{
    [Test]
    public void Replace_AgainAndAgain_LeavesTheLastAlone()
    {
        Assert.That(DurableFile.TryRead(Host, "state"), Is.Null);
        foreach (var contents in new[] { "first, and longer", "second", "" })
        {
            DurableFile.Replace(Host, "state", Encoding.UTF8.GetBytes(contents));
            Assert.That(DurableFile.TryRead(Host, "state"), Is.EqualTo(Encoding.UTF8.GetBytes(contents)));
        }

        Assert.That(Host.ListFiles(), Is.EqualTo(new[] { "state" }));
    }

    [Test]
    public void Replace_LeftoverOfACrash_IsOverwritten()
    {
        File.WriteAllText(Temporary["state"], "old");
        File.WriteAllText(Temporary["state.new"], "torn, and longer than what comes now");
        Assert.That(DurableFile.TryRead(Host, "state"), Is.EqualTo("old"u8.ToArray()), "a crash before the rename leaves the old contents");
        DurableFile.Replace(Host, "state", "new"u8);
        Assert.That(DurableFile.TryRead(Host, "state"), Is.EqualTo("new"u8.ToArray()));
        Assert.That(Host.ListFiles(), Is.EqualTo(new[] { "state" }));
    }

    [Test]
    public void TryRead_FileBeyondTheBound_IsRefusedBeforeItIsRead()
    {
        using (var file = Host.Open("state", HostFileAccess.CreateNew)) file.SetLength(DurableFile.BytesMax + 1L);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.That(() => DurableFile.TryRead(Host, "state"), Throws.InstanceOf<IOException>().With.Message.Contains("state"));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(DurableFile.BytesMax));
    }
}
