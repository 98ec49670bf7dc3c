using VmRepl.Hypervisors.Definitions;

namespace VmRepl.Hypervisors.Tests.Definitions;

[TestFixture]
public class DefinitionFilesTests
{
    private string root = "";

    [SetUp]
    public void Make() => root = Directory.CreateTempSubdirectory("vmrepl-files-").FullName;

    [TearDown]
    public void Remove() => Directory.Delete(root, recursive: true);

    [Test]
    public void Prepare_KernelInANamedDirectory_IsCopied()
    {
        File.WriteAllText(At("in/kernel-1"), "K");
        var (files, _) = new DefinitionFiles([At("in/")]).Prepare(Booting(At("in/kernel-1")), At("work/"));
        Assert.That(File.ReadAllText(files.Kernel!), Is.EqualTo("K"));
        Assert.That(files.Kernel, Does.StartWith(At("work/")));
    }

    [Test]
    public void Prepare_KernelOutside_IsRefused()
    {
        File.WriteAllText(At("out/kernel"), "K");
        Refuse(At("out/kernel"));
        Refuse(At("in/") + "../out/kernel");
        File.CreateSymbolicLink(At("in/link"), At("out/kernel"));
        Refuse(At("in/link"));
        Directory.CreateSymbolicLink(At("in/folder"), At("out/"));
        Refuse(At("in/folder/kernel"));
    }

    [Test]
    public void Prepare_WhatIsNoRegularFile_IsRefused()
    {
        Refuse(At("in/"));
        Refuse(At("in/none"));
        Refuse("/dev/zero");
    }

    private void Refuse(string kernel) => Assert.That(() => new DefinitionFiles([At("in/")]).Prepare(Booting(kernel), At("work/")), Throws.TypeOf<DefinitionException>(), kernel);

    private static VmDefinition Booting(string kernel) => new() { Name = "x", DirectBoot = new DirectBoot(kernel, null, "") };

    private string At(string below)
    {
        var path = Path.Combine(root, below);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        return path;
    }
}
