using System.Text.Json;
using VmRepl.Agent.Tests.Commands.Image;

namespace VmRepl.Agent.Tests.Commands;

/// <summary>The built executable itself, with its streams as pipes.</summary>
internal sealed class ProcessTests
{
    private static readonly string Executable = Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "vmrepl.exe" : "vmrepl");

    private TempDirectory directory = null!;

    [SetUp]
    public void SetUp() => directory = new TempDirectory();

    [TearDown]
    public void TearDown() => directory.Dispose();

    [Test]
    public void Process_ConvertAndCompare_HaveTheirStatuses()
    {
        var source = SampleImages.Qcow2(directory);
        var target = directory.File("out.raw");
        Assert.That(Run("image", "convert", source, target, "--format", "raw").Status, Is.Zero);
        Assert.That(Run("image", "convert", source, target, "--format", "raw").Status, Is.EqualTo(3));
        Assert.That(Run("image", "compare", source, target).Status, Is.Zero);
        Assert.That(Run("image", "compare", source, "/nonexistent").Status, Is.EqualTo(4));
        Assert.That(Run("image", "frob").Status, Is.EqualTo(2));
        Assert.That(Run("image", "info", "/nonexistent").Status, Is.EqualTo(1));
    }

    [Test]
    public void Process_NoTerminal_WritesNoEscapeCodes()
    {
        var source = SampleImages.Qcow2(directory);
        foreach (var line in new string[][] { ["--help"], ["image", "info", source], ["image", "map", source], ["image", "check", source], ["image", "compare", source, source] })
        {
            var (status, output, error) = Run(line);
            Assert.That(status, Is.Zero, error);
            Assert.That(output + error, Does.Not.Contain("\e"), string.Join(' ', line));
        }
    }

    [Test]
    public void Process_Json_IsTheOnlyThingOnStandardOutput()
    {
        var (status, output, error) = Run("image", "info", SampleImages.Qcow2(directory), "--json");
        Assert.That(status, Is.Zero);
        Assert.That(JsonDocument.Parse(output).RootElement.GetProperty("virtual-size").GetInt64(), Is.EqualTo(8 << 20));
        Assert.That(error, Is.Empty);
    }

    private static (int Status, string Output, string Error) Run(params string[] arguments) => ExternalTool.Try(Executable, arguments);
}
