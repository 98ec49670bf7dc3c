using VmRepl.Blocks.Files;

namespace VmRepl.Blocks.Tests.Files;

/// <summary>What is looked at of files that somebody else puts there: names, writers, and that something happened.</summary>
[Platform("Linux")]
public class DropLooksTests
{
    [Test]
    public void Listing_EveryKind_IsToldWithoutOpening()
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllBytes(directory["file"], new byte[700]);
        Directory.CreateDirectory(directory["below"]);
        File.CreateSymbolicLink(directory["link"], directory["file"]);
        using (var pipe = System.Diagnostics.Process.Start("mkfifo", directory["pipe"])) pipe.WaitForExit();
        using (var file = HostFile.Open(directory["file"], HostFileAccess.Read))
        {
            var entries = DirectoryListing.Read(directory.Path).ToDictionary(e => e.Name);
            Assert.Multiple(() =>
            {
                Assert.That(entries.ToDictionary(e => e.Key, e => e.Value.Kind), Is.EquivalentTo(new Dictionary<string, EntryKind>
                {
                    ["file"] = EntryKind.File,
                    ["below"] = EntryKind.Directory,
                    ["link"] = EntryKind.SymbolicLink,
                    ["pipe"] = EntryKind.Special,
                }));
                Assert.That(entries["file"].Identity, Is.EqualTo(file.Identity));
            });
        }

        Assert.That(() => DirectoryListing.Read(directory["nothing"]), Throws.InstanceOf<IOException>());
    }

    [Test]
    public void Writers_WhileFileIsOpenForWriting_AreTold()
    {
        using var directory = new TemporaryDirectory();
        var path = directory["file"];
        ExternalTool.RequireLeases(directory.Path);
        using (HostFile.Open(path, HostFileAccess.CreateNew)) Assert.That(FileWriters.Has(path), Is.True);

        using (HostFile.Open(path, HostFileAccess.Read)) Assert.That(FileWriters.Has(path), Is.False, "readers are none");
        using (HostFile.Open(path, HostFileAccess.ReadWrite)) Assert.That(FileWriters.Has(path), Is.True);
        // The lease was given back: nobody has to wait for it.
        Assert.That(FileWriters.Has(path), Is.False);
    }

    [Test]
    public void Writers_OfWhatCannotBeOpenedAtOnce_AreNotWaitedFor()
    {
        using var directory = new TemporaryDirectory();
        File.CreateSymbolicLink(directory["link"], "/etc/hostname");
        using (var pipe = System.Diagnostics.Process.Start("mkfifo", directory["pipe"])) pipe.WaitForExit();
        Assert.Multiple(() =>
        {
            Assert.That(FileWriters.Has(directory["link"]), Is.Null);
            Assert.That(FileWriters.Has(directory["pipe"]), Is.Null);
            Assert.That(FileWriters.Has(directory["nothing"]), Is.Null);
        });
    }

    [Test]
    public void Writers_AskedWhileOthersOpenAndClose_EndNoProcess()
    {
        using var directory = new TemporaryDirectory();
        var path = directory["file"];
        File.WriteAllBytes(path, [1]);
        using var ended = new CancellationTokenSource();
        var writing = Task.Run(() =>
        {
            while (!ended.IsCancellationRequested) HostFile.Open(path, HostFileAccess.ReadWrite).Dispose();
        });
        for (var i = 0; i < 20_000; i++) _ = FileWriters.Has(path);
        ended.Cancel();
        Assert.That(writing.Wait(TimeSpan.FromSeconds(60)), Is.True);
    }

    [Test]
    public void Watch_AfterFileIsClosedMovedOrRemoved_SaysSoOnce()
    {
        using var directory = new TemporaryDirectory();
        using var watch = new DirectoryWatch([directory.Path, directory["nothing"]]);
        Assert.That(watch.HasChanged, Is.False);
        File.WriteAllBytes(directory["a"], [1]);
        Assert.That((watch.HasChanged, watch.HasChanged), Is.EqualTo((true, false)));
        File.Move(directory["a"], directory["b"]);
        Assert.That((watch.HasChanged, watch.HasChanged), Is.EqualTo((true, false)));
        File.Delete(directory["b"]);
        Assert.That((watch.HasChanged, watch.HasChanged), Is.EqualTo((true, false)));
    }
}
