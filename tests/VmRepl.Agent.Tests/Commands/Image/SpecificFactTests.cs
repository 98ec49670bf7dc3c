using VmRepl.Agent.Commands.Image;

namespace VmRepl.Agent.Tests.Commands.Image;

internal sealed class SpecificFactTests
{
    [TestCase("cid", "00000010", "cid", "16", true)]
    [TestCase("refcount-bits", "16", "refcount-bits", "16", true)]
    [TestCase("corrupt", "false", "corrupt", "false", true)]
    [TestCase("snapshots", "2", "snapshot-count", "2", true)]
    [TestCase("data-file", "true", "data-file", "true", false)]
    [TestCase("data-file", "123", "data-file", "123", false)]
    [TestCase("compat", "1.1", "compat", "1.1", false)]
    [TestCase("corrupt", "maybe\"", "corrupt", "maybe\"", false)]
    public void Of_Fact_HasQemuImgsNameAndType(string name, string value, string shownName, string shownValue, bool isLiteral) =>
        Assert.That(SpecificFact.Of(name, value), Is.EqualTo(new SpecificFact(shownName, shownValue, isLiteral)));

    [TestCase("dirty", "true")]
    [TestCase("snapshots", "0")]
    public void Of_FactThatSaysNothingHere_IsLeftOut(string name, string value) => Assert.That(SpecificFact.Of(name, value), Is.Null);
}
