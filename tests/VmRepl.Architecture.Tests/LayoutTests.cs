using System.Text.RegularExpressions;

namespace VmRepl.Architecture.Tests;

[TestFixture]
public partial class LayoutTests
{
    [Test]
    public void Root_ItsEntries_AreTheAgreedOnes()
    {
        var odd = Directory.EnumerateFileSystemEntries(Repository.Root).Select(path => Path.GetFileName(path)!).Where(name => !Agreed().IsMatch(name) && !MadeByTools().IsMatch(name));
        Assert.That(odd, Is.Empty);
    }

    [Test]
    public void Agent_HasTheOneProject() =>
        Assert.That(Directory.EnumerateFiles(Repository.Below("agent"), "*.csproj").Select(Path.GetFileName), Is.EqualTo(new[] { "VmRepl.Agent.csproj" }));

    [Test]
    public void Tests_MirrorSources()
    {
        foreach (var folder in Directory.EnumerateDirectories(Repository.Below("src")))
        {
            var name = Path.GetFileName(folder);
            Assert.That(Repository.Below("tests", $"{name}.Tests", $"{name}.Tests.csproj"), Does.Exist);
        }
    }

    [Test]
    public void Solution_HoldsEveryProject()
    {
        var solution = File.ReadAllText(Repository.Below("VmRepl.sln")).Replace('\\', '/');
        foreach (var project in Repository.Projects)
            Assert.That(solution, Does.Contain($"\"{Path.GetRelativePath(Repository.Root, project).Replace('\\', '/')}\""));
    }

    [GeneratedRegex(@"^(src|tests|agent|images|docs|VmRepl\.sln|build\.cake|README\.md|\..*|Directory\..*\.(props|targets))$")]
    private static partial Regex Agreed();

    // What .gitignore leaves out.
    [GeneratedRegex(@"^(artifacts|bin|obj|TestResults|BenchmarkDotNet\.Artifacts|.*\.user)$")]
    private static partial Regex MadeByTools();
}
