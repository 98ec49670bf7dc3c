using VmRepl.Blocks.Files;

namespace VmRepl.Blocks.Tests.Files;

[TestFixture]
public class HostMemoryTests : InTemporaryDirectory
{
    [Test]
    public void WritablePage_Stored_IsTheFilesAtOnce()
    {
        Create(3 * IHostMemory.PageBytes);
        using var memory = Host.Map("f");
        Assert.That(memory.PageCount, Is.EqualTo(3));
        memory.Reserve(1, 1);
        memory.WritablePage(1)[7] = 42;
        Assert.That(ReadByte(IHostMemory.PageBytes + 7), Is.EqualTo(42));
        using var again = Host.Map("f");
        Assert.That(again.Page(1)[7], Is.EqualTo(42), "and every other mapping's");
    }

    [Test]
    public void Page_OfWhatWasWritten_HasIt()
    {
        Create(2 * IHostMemory.PageBytes);
        using var memory = Host.Map("f");
        using var file = Host.Open("f", HostFileAccess.ReadWrite);
        file.Write(5000, [1, 2, 3]);
        Assert.That(memory.Page(1).Slice(5000 - 4096, 3).ToArray(), Is.EqualTo(new byte[] { 1, 2, 3 }));
    }

    [Test]
    public void Reserve_PagesWithContents_LeavesThem()
    {
        Create(4 * IHostMemory.PageBytes);
        using var memory = Host.Map("f");
        memory.Reserve(2, 1);
        memory.WritablePage(2).Fill(9);
        memory.Reserve(0, 4);
        Assert.That(memory.Page(2).ToArray(), Is.All.EqualTo(9));
        Assert.That(memory.Page(3).ToArray(), Is.All.Zero);
        Assert.That(Host.AllocatedBytes("f"), Is.GreaterThanOrEqualTo(4 * IHostMemory.PageBytes));
    }

    [Test]
    public void TryPunch_PagesWithContents_AreZerosWithoutSpace()
    {
        Create(64 * IHostMemory.PageBytes);
        using var memory = Host.Map("f");
        memory.Reserve(0, 64);
        for (var page = 0; page < 64; page++) memory.WritablePage(page).Fill(9);
        memory.Flush(0, 64);
        var before = Host.AllocatedBytes("f");
        Assert.That(memory.TryPunch(8, 32), Is.True, "a volume without holes");
        Assert.That(memory.Page(8).ToArray(), Is.All.Zero);
        Assert.That(memory.Page(40).ToArray(), Is.All.EqualTo(9));
        Assert.That(Host.AllocatedBytes("f"), Is.LessThan(before));
    }

    [TestCase(0)]
    [TestCase(100)]
    [TestCase(IHostMemory.PageBytes + 1)]
    public void Map_NoWholePages_IsAFailureWithTheName(int length)
    {
        Create(length);
        Assert.That(() => Host.Map("f"), Throws.TypeOf<IOException>().With.Message.Contains(Path.Combine(Temporary.Path, "f")));
    }

    [Test]
    public void Map_NoFile_SaysSo() => Assert.That(() => Host.Map("f"), Throws.TypeOf<FileNotFoundException>());

    [Test]
    public void EveryCall_BeyondTheEndOrDisposed_IsRefused()
    {
        Create(IHostMemory.PageBytes);
        var memory = Host.Map("f");
        Assert.That(() => memory.WritablePage(1).Length, Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => memory.Page(-1).Length, Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => memory.Flush(0, 2), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => memory.Reserve(1, 1), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => memory.TryPunch(0, long.MaxValue), Throws.TypeOf<ArgumentOutOfRangeException>());
        memory.Dispose();
        memory.Dispose();
        Assert.That(() => memory.Page(0).Length, Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => memory.Flush(0, 1), Throws.TypeOf<ObjectDisposedException>());
    }

    private void Create(long length)
    {
        using var file = Host.Open("f", HostFileAccess.CreateNew);
        file.SetLength(length);
    }

    private byte ReadByte(long offset)
    {
        using var file = Host.Open("f", HostFileAccess.Read);
        var read = new byte[1];
        file.ReadExactly(offset, read);
        return read[0];
    }
}
