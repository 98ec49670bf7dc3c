using System.Net;
using System.Net.Sockets;
using VmRepl.Protocol.Security;

namespace VmRepl.Protocol.Tests.Security;

public class ListenRuleTests
{
    private static readonly EndPoint[] Local =
        [new IPEndPoint(IPAddress.Loopback, 1), new IPEndPoint(IPAddress.IPv6Loopback, 1), IPEndPoint.Parse("127.9.9.9:1"), new UnixDomainSocketEndPoint("/run/vmrepl")];

    private static readonly EndPoint[] Reachable =
    [
        new IPEndPoint(IPAddress.Any, 7), new IPEndPoint(IPAddress.IPv6Any, 7), IPEndPoint.Parse("10.0.0.1:7"), IPEndPoint.Parse("[fe80::1]:7"),
        IPEndPoint.Parse("[::ffff:10.0.0.1]:7"), new DnsEndPoint("localhost", 7), new DnsEndPoint("replica", 7),
    ];

    [TestCaseSource(nameof(Local))]
    public void Listen_WhereNobodyFromOutsideComes_IsAllowed(EndPoint endPoint)
    {
        Assert.That(() => ListenRule.Check(endPoint, hasCertificates: false), Throws.Nothing);
        Assert.That(() => ListenRule.Check(endPoint, hasCertificates: true), Throws.Nothing);
    }

    [TestCaseSource(nameof(Reachable))]
    public void Listen_BeyondLoopback_NeedsCertificates(EndPoint endPoint)
    {
        var fault = Assert.Throws<UnsafeListenException>(() => ListenRule.Check(endPoint, hasCertificates: false))!;
        Assert.That(fault.Message, Does.Contain("without certificates").And.Contain("7"));
        Assert.That(fault.Hint, Does.Contain("--certificate").And.Contain("127.0.0.1"));
        Assert.That(() => ListenRule.Check(endPoint, hasCertificates: true), Throws.Nothing);
    }
}
