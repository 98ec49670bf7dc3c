using VmRepl.Blocks.Files;

namespace VmRepl.Blocks.Tests.Files;

[TestFixture]
public class HostBootTests
{
    [Test]
    [Platform("Linux")]
    public void Id_OfLinux_IsTheKernels() =>
        Assert.That(HostBoot.Id(), Is.EqualTo(Guid.Parse(File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim())));
}
