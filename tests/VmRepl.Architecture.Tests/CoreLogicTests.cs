namespace VmRepl.Architecture.Tests;

/// <summary>Core logic takes time, storage, connections and randomness from outside and starts no threads: that is what lets the simulation own them.</summary>
[TestFixture]
public class CoreLogicTests
{
    // A file (path from the root) that may make such a call, and why.
    private static readonly Dictionary<string, string> Allowed = new()
    {
        ["src/VmRepl.Journal/Store/StoreOwner.cs"] = "the lock that makes a store one process's is a lock of the host's file system",
        ["src/VmRepl.Replication/Source/FrozenDisk.cs"] = "looks at a source disk's identity by its name on the host",
    };

    [TestCase("VmRepl.Journal")]
    [TestCase("VmRepl.Replication")]
    public void Sources_OfCoreLogic_MakeNoBannedCall(string project)
    {
        var found = new List<string>();
        foreach (var file in Repository.SourcesOf(Repository.Below("src", project)))
        {
            var path = Path.GetRelativePath(Repository.Root, file).Replace('\\', '/');
            if (Allowed.ContainsKey(path)) continue;
            found.AddRange(Banned.Find(File.ReadAllText(file)).Select(call => $"{path}({call.Line}): {call.Call}: {call.Instead}"));
        }

        Assert.That(found, Is.Empty);
    }

    [Test]
    public void Allowed_Files_StillNeedIt()
    {
        foreach (var path in Allowed.Keys)
            if (File.Exists(Repository.Below(path))) Assert.That(Banned.Find(File.ReadAllText(Repository.Below(path))), Is.Not.Empty, path);
    }
}
