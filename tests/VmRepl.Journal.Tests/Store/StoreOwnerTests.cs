using VmRepl.Journal.Store;

namespace VmRepl.Journal.Tests.Store;

public class StoreOwnerTests
{
    private string directory = "";

    [SetUp]
    public void MakeDirectory() => directory = Directory.CreateTempSubdirectory("vmrepl-owner-").FullName;

    [TearDown]
    public void RemoveDirectory() => Directory.Delete(directory, recursive: true);

    [Test]
    public void Take_OwnedStore_IsRefusedUntilTheOwnerGoes()
    {
        using (StoreOwner.Take(directory, "/run/one.sock"))
        {
            Assert.That(() => StoreOwner.Take(directory, null), Throws.TypeOf<StoreException>().With.Message.Contains("in use"));
            Assert.That(StoreOwner.IsOwned(directory, out var socket), Is.True);
            Assert.That(socket, Is.EqualTo("/run/one.sock"));
        }

        Assert.That(StoreOwner.IsOwned(directory, out _), Is.False);
        using var next = StoreOwner.Take(directory, null);
        Assert.That(StoreOwner.IsOwned(directory, out var none), Is.True);
        Assert.That(none, Is.Null);
    }

    [Test]
    public void IsOwned_DirectoryThatNobodyTook_IsFalse() => Assert.That(StoreOwner.IsOwned(directory, out _), Is.False);
}
