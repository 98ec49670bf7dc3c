using Microsoft.Extensions.Configuration;
using VmRepl.Agent.Hosting;
using VmRepl.Agent.Output;

namespace VmRepl.Agent.Tests.Hosting;

/// <summary>Which directories clones may be dropped into.</summary>
internal sealed class CloneDirectoriesTests
{
    private TempDirectory directory = null!;

    [SetUp]
    public void Begin()
    {
        directory = new TempDirectory();
        foreach (var name in new[] { "state", "a", "b" }) Directory.CreateDirectory(In(name));
    }

    [TearDown]
    public void End() => directory.Dispose();

    [Test]
    public void Directories_OfConfigurationAndCommandLine_AreEachOnceAndWithoutLinks()
    {
        Directory.CreateSymbolicLink(In("link"), In("a"));
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?> { ["Agent:CloneDirectories:0"] = In("link"), ["Agent:CloneDirectories:1"] = In("b") }).Build();
        Assert.That(AgentConfiguration.CloneDirectories(configuration, [In("a")], In("state")), Is.EqualTo(new[] { In("a"), In("b") }));
    }

    [TestCase("nothing", "no directory")]
    [TestCase("state", "must not hold")]
    [TestCase("state/below", "must not hold")]
    [TestCase("", "must not hold")]
    public void Directory_ThatIsNoPlaceForThem_IsAFailure(string name, string reason)
    {
        Directory.CreateDirectory(In("state/below"));
        Assert.That(() => AgentConfiguration.CloneDirectories(new ConfigurationBuilder().Build(), [In(name)], In("state")), Throws.TypeOf<CommandFailure>().With.Message.Contains(reason));
    }

    private string In(string name) => Path.Combine(directory.Path, name).TrimEnd('/');
}
