namespace VmRepl.Images.Tests.Variants;

/// <summary>The documented table is the tests' own. VMREPL_WRITE_DOCS=1 writes it anew.</summary>
public sealed class VariantTableTests
{
    [Test]
    public void Document_IsWhatTheTestsSay()
    {
        var path = DocumentPath();
        var document = File.ReadAllText(path);
        var expected = VariantTable.Update(document);
        if (Environment.GetEnvironmentVariable("VMREPL_WRITE_DOCS") == "1" && document != expected) File.WriteAllText(path, expected);
        else Assert.That(document, Is.EqualTo(expected), $"{path} is not what the tests say; VMREPL_WRITE_DOCS=1 dotnet test tests/VmRepl.Images.Tests --filter {nameof(VariantTableTests)} writes it");
    }

    [Test]
    public void Attributes_StandOnTests_AndNameAKnownFormatAndARefereeOnce()
    {
        var all = VariantTable.All();
        Assert.Multiple(() =>
        {
            foreach (var (test, variant) in all)
            {
                Assert.That(VariantTable.IsTest(test), $"{VariantTable.TestName(test)} is no test");
                Assert.That(VariantTable.Formats, Does.Contain(variant.Format), VariantTable.TestName(test));
                Assert.That(variant.Referee, Is.Not.Empty, VariantTable.TestName(test));
            }

            Assert.That(all.Select(p => (VariantTable.TestName(p.Test), p.Variant.Format, p.Variant.Name, p.Variant.IsWritten)), Is.Unique);
        });
    }

    private static string DocumentPath()
    {
        for (var directory = new DirectoryInfo(TestContext.CurrentContext.TestDirectory); directory is not null; directory = directory.Parent)
        {
            if (File.Exists(Path.Combine(directory.FullName, "VmRepl.sln"))) return Path.Combine(directory.FullName, "docs", "image-formats.md");
        }

        throw new DirectoryNotFoundException("the tests do not run below the repository");
    }
}
