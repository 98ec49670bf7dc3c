namespace VmRepl.Architecture.Tests;

/// <summary>Core logic takes time, storage, connections and randomness from outside and starts no threads: that is what lets the simulation own them.</summary>
[TestFixture]
public class CoreLogicTests
{
    // A file, the one rule that it may break, and why. The rest still holds for it.
    private static readonly (string Path, string Rule, string Why)[] Allowed =
    [
        ("src/VmRepl.Journal/Store/StoreOwner.cs", Banned.Storage, "the lock that makes a store one process's is a lock of the host's file system"),
        ("src/VmRepl.Replication/Source/FrozenDisk.cs", Banned.Storage, "looks at a source disk's identity by its name on the host"),
        ("src/VmRepl.Replication/Restore/VmRestore.cs", Banned.Storage, "what is restored goes to a directory of the host that the operator named, outside the store"),
    ];

    [TestCase("VmRepl.Journal")]
    [TestCase("VmRepl.Replication")]
    public void Sources_OfCoreLogic_MakeNoBannedCall(string project)
    {
        var found = new List<string>();
        foreach (var file in Repository.SourcesOf(Repository.Below("src", project)))
        {
            var path = Path.GetRelativePath(Repository.Root, file).Replace('\\', '/');
            found.AddRange(Banned.Find(File.ReadAllText(file)).Where(call => !IsAllowed(path, call.Rule)).Select(call => $"{path}({call.Line}): {call.Call}: {call.Rule}"));
        }

        Assert.That(found, Is.Empty);
    }

    [Test]
    public void Allowed_Exceptions_AreStillNeeded()
    {
        foreach (var (path, rule, _) in Allowed)
            if (File.Exists(Repository.Below(path)))
                Assert.That(Banned.Find(File.ReadAllText(Repository.Below(path))).Select(call => call.Rule), Does.Contain(rule), path);
    }

    private static bool IsAllowed(string path, string rule) => Allowed.Any(allowed => allowed.Path == path && allowed.Rule == rule);
}
