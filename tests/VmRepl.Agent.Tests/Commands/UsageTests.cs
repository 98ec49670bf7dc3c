using System.Text.Json;

namespace VmRepl.Agent.Tests.Commands;

internal sealed class UsageTests
{
    [TestCase("", "Required command")]
    [TestCase("frob", "'frob'")]
    [TestCase("sync", "Required argument missing")]
    [TestCase("sync a/b", "\"a/b\" cannot be a group's name")]
    [TestCase("sync ..", "cannot be a group's name")]
    [TestCase("sync vm1 extra", "'extra'")]
    [TestCase("sync vm1 --frob", "'--frob'")]
    [TestCase("bookmark vm1 latest", "cannot be a bookmark's name")]
    [TestCase("bookmark vm1 123", "cannot be a bookmark's name")]
    [TestCase("bookmark vm1", "Required argument missing")]
    [TestCase("protect vm1 --to h:1", "'--disk' is required")]
    [TestCase("protect vm1 --disk a=b", "'--to' is required")]
    [TestCase("protect vm1 --disk a=b --disk a=c --to h:1", "two disks are named \"a\"")]
    [TestCase("protect vm1 --disk a=b --disk c=b --to h:1", "named twice")]
    [TestCase("protect vm1 --disk a=b,format=zip --to h:1", "\"zip\" is no format")]
    [TestCase("protect vm1 --disk a=b --to h", "HOST:PORT")]
    [TestCase("replica", "'--store' is required")]
    [TestCase("replica --store s --certificate c", "--key and --authority missing")]
    [TestCase("agent", "'--state' is required")]
    [TestCase("points vm1 --store s --from h:1", "exclude each other")]
    [TestCase("points vm1 --certificate c --key k --authority a", "are for --from")]
    [TestCase("restore-vm vm1", "'--to' is required")]
    [TestCase("restore-vm vm1 --to d --at a,b", "--at")]
    [TestCase("restore-vm vm1 --to d --at a --clone c", "exclude each other")]
    [TestCase("clones a/b", "cannot be a group's name")]
    [TestCase("restore-vm vm1 --to d --format vdi", "\"vdi\" is no format")]
    [TestCase("image", "Required command")]
    [TestCase("image info", "Required argument missing")]
    [TestCase("image convert a b", "'--format' is required")]
    [TestCase("image compare a", "Required argument missing")]
    [TestCase("image create a --format raw", "--size is required without --backing")]
    [TestCase("image create a --size 1MiB", "'--format' is required")]
    [TestCase("image create a --format raw --size 1MiB --backing-format raw", "--backing-format is for --backing")]
    [TestCase("image create a --format raw --size much", "\"much\" is no size")]
    [TestCase("image diff a b c", "'--format' is required")]
    [TestCase("image diff a b --format qcow2", "Required argument missing")]
    [TestCase("image diff a b c --format raw --group g", "--group and --backing go together")]
    [TestCase("image diff a b c --format raw --backing g", "--group and --backing go together")]
    [TestCase("image diff a b c --format raw --disk d", "--disk is for --group")]
    [TestCase("image diff a b c --format raw --store d", "--store is for --group")]
    [TestCase("image diff a b c --format raw --from h:1", "--from is for --group")]
    [TestCase("image diff a b c --format raw --socket s", "--socket is for --group")]
    [TestCase("image diff a b c --format raw --from h:1 --certificate c --key k --authority a", "--certificate is for --group")]
    [TestCase("image merge a --format qcow2", "Required argument missing")]
    [TestCase("image resize a", "'--size' is required")]
    public void CommandLine_NotUnderstood_IsStatus2WithTheReasonOnStandardError(string line, string expected)
    {
        var run = CommandRun.Of(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.That(run.Status, Is.EqualTo(2));
        Assert.That(run.Error, Does.Contain(expected));
        Assert.That(run.Error, Does.Contain("--help"));
        Assert.That(run.Output, Is.Empty);
        Assert.That(run.Asked, Is.Null);
    }

    /// <summary>A script's unset variable; it was "Unexpected failure".</summary>
    [TestCase("FILE", "image", "info", "")]
    [TestCase("FILE", "image", "check", "")]
    [TestCase("B", "image", "compare", "a", "")]
    [TestCase("SOURCE", "image", "convert", "", "b", "--format", "raw")]
    [TestCase("TARGET", "image", "convert", "a", "", "--format", "raw")]
    [TestCase("TARGET", "image", "diff", "a", "b", "", "--format", "raw")]
    [TestCase("FILE", "image", "create", "", "--format", "raw", "--size", "1MiB")]
    [TestCase("FILE", "image", "resize", "", "--size", "1MiB")]
    public void ImageFile_WithoutAName_IsStatus2(string name, params string[] arguments)
    {
        var run = CommandRun.Of(arguments);
        Assert.That(run.Status, Is.EqualTo(2), run.Error);
        Assert.That(run.Error, Does.Contain($"{name} is empty"));
    }

    [Test]
    public void CommandLine_NotUnderstoodWithJson_IsOneObjectOnStandardError()
    {
        var run = CommandRun.Of("sync", "a<b>&'ü", "--json");
        Assert.That(run.Status, Is.EqualTo(2));
        Assert.That(run.Error, Does.Contain("a<b>&'ü"), "nothing is escaped that need not be");
        var error = JsonDocument.Parse(run.Error).RootElement.GetProperty("error");
        Assert.That(error.EnumerateObject().Select(p => p.Name), Is.EqualTo(new[] { "message", "hint", "group" }));
    }

    [Test]
    public void Help_Root_NamesEveryCommandAndEndsWithExamples()
    {
        var run = CommandRun.Of("--help");
        Assert.That(run.Status, Is.Zero);
        foreach (var name in new[] { "demo", "replica", "agent", "protect", "unprotect", "sync", "bookmark", "status", "clone", "clones", "points", "restore-vm", "image" })
            Assert.That(run.Output, Does.Match($@"(?m)^  {name}\b.*\."));
        Assert.That(run.Output.IndexOf("Examples:", StringComparison.Ordinal), Is.GreaterThan(run.Output.IndexOf("Commands:", StringComparison.Ordinal)));
    }

    [TestCase("protect", "--disk", "--to", "--definition", "--allow", "--no-wait", "--socket", "--json")]
    [TestCase("replica", "--store", "--listen", "--certificate", "--key", "--authority")]
    [TestCase("agent", "--state", "--socket", "--config", "--clones", "--certificate", "--key", "--authority")]
    [TestCase("points", "--store", "--from", "--socket")]
    [TestCase("restore-vm", "--to", "--at", "--clone", "--format", "--store", "--from", "--plan")]
    [TestCase("demo", "--keep", "--damage")]
    [TestCase("image convert", "--format", "--source-format", "--allow", "--flush")]
    [TestCase("image info", "--source-format", "--allow")]
    public void Help_Command_ExplainsEachOption(string command, params string[] options)
    {
        var run = CommandRun.Of([.. command.Split(' '), "--help"]);
        Assert.That(run.Status, Is.Zero);
        foreach (var option in options) Assert.That(run.Output, Does.Match($@"(?m)^  {option}\b.{{20,}}"));
    }
}
