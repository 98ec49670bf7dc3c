using VmRepl.Agent.Commands;

namespace VmRepl.Agent.Tests.Commands;

internal sealed class AgentSocketTests
{
    [Test]
    public void Default_Variable_Wins() => Assert.That(AgentSocket.Default(_ => "/x/y.sock"), Is.EqualTo("/x/y.sock"));

    [Test]
    public void Default_NoVariable_IsThePlatformsPlace()
    {
        var path = AgentSocket.Default(name => name == "XDG_RUNTIME_DIR" ? "/run/user/7" : null);
        if (OperatingSystem.IsWindows()) Assert.That(path, Does.EndWith(@"VmRepl\agent.sock"));
        else Assert.That(path, Is.EqualTo(Environment.IsPrivilegedProcess ? "/run/vmrepl/agent.sock" : "/run/user/7/vmrepl/agent.sock"));
    }
}
