using VmRepl.Protocol.Messages;

namespace VmRepl.Protocol.Tests.Messages;

public class NegotiationTests
{
    [TestCase(1, 1, 1, 1, 1)]
    [TestCase(1, 3, 2, 5, 3)]
    [TestCase(2, 5, 1, 3, 3)]
    [TestCase(1, 9, 4, 4, 4)]
    [TestCase(1, 1, 2, 3, null)]
    [TestCase(4, 5, 2, 3, null)]
    public void Version_OfTwoRanges_IsTheNewestInBoth(int localMin, int localMax, int remoteMin, int remoteMax, int? chosen)
    {
        Assert.That(Negotiation.ChooseVersion(localMin, localMax, remoteMin, remoteMax), Is.EqualTo(chosen));
        Assert.That(Negotiation.ChooseVersion(remoteMin, remoteMax, localMin, localMax), Is.EqualTo(chosen), "it does not matter who asks");
    }

    [Test]
    public void Capabilities_OfBothSides_AreWhatBothName()
    {
        Assert.That(Negotiation.CommonCapabilities(["zstd", "lanes", "a", "a"], ["lanes", "Zstd", "a", "zstd"]), Is.EqualTo(new[] { "a", "lanes", "zstd" }));
        Assert.That(Negotiation.CommonCapabilities([], ["x"]), Is.Empty);
    }
}
