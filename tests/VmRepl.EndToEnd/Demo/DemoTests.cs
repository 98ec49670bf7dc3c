using VmRepl.EndToEnd.Processes;

namespace VmRepl.EndToEnd.Demo;

/// <summary>What a stranger runs first.</summary>
internal sealed class DemoTests
{
    [Test]
    public void Demo_OnAnyMachine_BringsBackAllDisks()
    {
        ExternalTool.RequireLinux();
        var temporary = Directory.CreateTempSubdirectory("vmrepl-e2e-").FullName;
        try
        {
            using var demo = VmReplCommand.Start(null, new Dictionary<string, string> { ["TMPDIR"] = temporary }, "demo");
            var result = demo.Wait(TimeSpan.FromSeconds(120)).MustSucceed();
            Assert.That(result.Output, Does.Contain("All 6 disks came back bit for bit"));
            Assert.That(Directory.GetFileSystemEntries(temporary, "vmrepl-*"), Is.Empty, "nothing is left behind");
        }
        finally
        {
            Directory.Delete(temporary, recursive: true);
        }
    }

    [Test]
    public void Demo_WithDamage_NamesItAndFails()
    {
        ExternalTool.RequireLinux();
        var result = VmReplCommand.Run(null, "demo", "--damage");
        Assert.That(result.ExitCode, Is.EqualTo(1), result.ToString());
        Assert.Multiple(() =>
        {
            Assert.That(result.Output, Does.Contain("Damage found").And.Contain("segment-").And.Contain("checksum").And.Contain("offset"), result.ToString());
            Assert.That(result.Output, Does.Not.Contain("All 6 disks").And.Not.Contain("DIFFERENT"), "what is damaged is found out, and not handed over as if it were whole");
        });
    }

    [Test]
    public void Demo_WithKeepOfDirectoryInUse_IsRefused()
    {
        ExternalTool.RequireLinux();
        var directory = Directory.CreateTempSubdirectory("vmrepl-e2e-").FullName;
        try
        {
            File.WriteAllText(Path.Combine(directory, "mine"), "mine");
            VmReplCommand.Run(null, "demo", "--keep", directory, "--json").MustFail(3, directory);
            Assert.That(Directory.GetFiles(directory), Has.Length.EqualTo(1));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }
}
