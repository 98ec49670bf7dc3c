using System.Net.Sockets;
using VmRepl.Blocks.Files;

namespace VmRepl.Blocks.Tests.Files;

[TestFixture]
public class HostFileTypeTests
{
    [Test]
    public void IsRegular_EachKindOfFile_IsTrueForFilesAlone()
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory["file"], "");
        Assert.That(HostFileType.IsRegular(directory["file"]), Is.True);
        Assert.That(HostFileType.IsRegular(directory["missing"]), Is.False);
        Assert.That(HostFileType.IsRegular(directory.Path), Is.False);
        if (!OperatingSystem.IsLinux()) return;
        File.CreateSymbolicLink(directory["link"], directory["file"]);
        File.CreateSymbolicLink(directory["link-to-device"], "/dev/null");
        File.CreateSymbolicLink(directory["dangling"], directory["missing"]);
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(directory["socket"]));
        Assert.That(HostFileType.IsRegular(directory["link"]), Is.True, "links are followed");
        Assert.That(HostFileType.IsRegular(directory["link-to-device"]), Is.False);
        Assert.That(HostFileType.IsRegular(directory["dangling"]), Is.False);
        Assert.That(HostFileType.IsRegular(directory["socket"]), Is.False);
        Assert.That(HostFileType.IsRegular("/dev/zero"), Is.False);
        Assert.That(HostFileType.IsBlockDevice("/dev/zero"), Is.False, "a character device");
        Assert.That(HostFileType.IsBlockDevice(directory["link"]), Is.False);
    }
}
