namespace VmRepl.Architecture.Tests;

/// <summary>Holds the one direction of the house: a project uses only those above it in the list, and of those only the ones named beside it.</summary>
[TestFixture]
public class LayerTests
{
    // docs/architecture.md draws it. A new project, or a new arrow, is a decision: it is made there and then written here.
    private static readonly (string Project, string[] Uses)[] House =
    [
        ("VmRepl.Blocks", []),
        ("VmRepl.Images", ["VmRepl.Blocks"]),
        ("VmRepl.Protocol", ["VmRepl.Blocks"]),
        ("VmRepl.Journal", ["VmRepl.Blocks", "VmRepl.Protocol", "VmRepl.Images"]),
        ("VmRepl.Replication", ["VmRepl.Journal", "VmRepl.Protocol", "VmRepl.Images"]),
        ("VmRepl.Nbd", ["VmRepl.Blocks"]),
        ("VmRepl.Hypervisors", ["VmRepl.Nbd", "VmRepl.Images"]),
        ("VmRepl.Clones", ["VmRepl.Replication", "VmRepl.Images"]),
        ("VmRepl.Agent", ["VmRepl.Blocks", "VmRepl.Images", "VmRepl.Protocol", "VmRepl.Journal", "VmRepl.Replication", "VmRepl.Nbd", "VmRepl.Hypervisors", "VmRepl.Clones"]),
    ];

    private static IEnumerable<string> Products => Repository.Projects.Where(project => !project.StartsWith(Repository.Below("tests"), StringComparison.Ordinal));

    [Test]
    public void House_ItsOwnList_PointsUpwards()
    {
        var above = new HashSet<string>();
        foreach (var (project, uses) in House)
        {
            Assert.That(uses, Is.SubsetOf(above), project);
            above.Add(project);
        }
    }

    [Test]
    public void Projects_TheirReferences_AreThoseOfTheList()
    {
        foreach (var project in Products)
        {
            var name = Path.GetFileNameWithoutExtension(project);
            var room = House.SingleOrDefault(entry => entry.Project == name);
            Assert.That(room.Project, Is.Not.Null, $"{name} is not in the list of layers");
            Assert.That(Repository.ReferencesOf(project), Is.SubsetOf(room.Uses), $"{name} uses a layer that it may not");
        }
    }

    [Test]
    public void Projects_ThatTheListBeginsWith_AreFound() =>
        Assert.That(Products.Select(Path.GetFileNameWithoutExtension), Is.SupersetOf(House.Take(5).Select(entry => entry.Project)), "the check above looked at nothing");

    [Test]
    public void Blocks_UsesTheBaseLibraryAlone() => Assert.That(Repository.PackagesOf(Repository.Below("src", "VmRepl.Blocks", "VmRepl.Blocks.csproj")), Is.Empty);

    [Test]
    public void Products_ReferToNoTest()
    {
        foreach (var project in Products)
            Assert.That(File.ReadAllText(project), Does.Not.Contain("tests/").And.Not.Contain("tests\\"), project);
    }
}
