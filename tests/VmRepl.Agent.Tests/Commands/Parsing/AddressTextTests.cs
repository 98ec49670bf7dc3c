using VmRepl.Agent.Commands.Parsing;

namespace VmRepl.Agent.Tests.Commands.Parsing;

internal sealed class AddressTextTests
{
    [TestCase("127.0.0.1:7000", "127.0.0.1", 7000)]
    [TestCase("replica.example:65535", "replica.example", 65535)]
    [TestCase("[::1]:7000", "::1", 7000)]
    [TestCase("[2001:db8::7]:1", "2001:db8::7", 1)]
    public void TryParse_ValidText_GivesHostAndPort(string text, string host, int port)
    {
        Assert.That(AddressText.TryParse(text, anyPort: false, out var address, out _), Is.True);
        Assert.That((address!.Host, address.Port), Is.EqualTo((host, port)));
        Assert.That(address.ToString(), Is.EqualTo(text));
    }

    [TestCase("127.0.0.1")]
    [TestCase(":7000")]
    [TestCase("")]
    [TestCase("host:")]
    [TestCase("host:-1")]
    [TestCase("host:+1")]
    [TestCase("host: 1")]
    [TestCase("host:65536")]
    [TestCase("host:99999999999999999999")]
    [TestCase("::1:7000")]
    [TestCase("[::1:7000")]
    [TestCase("[::1]7000")]
    [TestCase("[127.0.0.1]:7000")]
    [TestCase("[]:7000")]
    [TestCase("ho st:7000")]
    [TestCase("ho/st:7000")]
    [TestCase("host:0")]
    public void TryParse_InvalidText_IsRefused(string text)
    {
        Assert.That(AddressText.TryParse(text, anyPort: false, out _, out var problem), Is.False);
        Assert.That(problem, Is.Not.Empty);
    }

    [Test]
    public void TryParse_PortZeroToListen_IsAnyFreePort()
    {
        Assert.That(AddressText.TryParse("127.0.0.1:0", anyPort: true, out var address, out _), Is.True);
        Assert.That(address!.Port, Is.Zero);
    }
}
