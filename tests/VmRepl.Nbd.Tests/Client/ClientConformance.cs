using VmRepl.Blocks;
using VmRepl.Conformance;
using VmRepl.Nbd.Client;
using VmRepl.Nbd.Tests.Server;

namespace VmRepl.Nbd.Tests.Client;

/// <summary>Our client over our server, as a block device like any other.</summary>
[TestFixture]
public sealed class ClientOverOurServerConformance : BlockDeviceContract
{
    private readonly List<ServingStage> stages = [];

    [TearDown]
    public void Stop()
    {
        foreach (var stage in stages) stage.Dispose();
        stages.Clear();
    }

    protected override IBlockDevice Make()
    {
        var stage = new ServingStage(new MemoryDevice(DiskBytes));
        stages.Add(stage);
        return NbdClient.Connect(new NbdAddress.Unix(stage.Socket), "disk");
    }
}

/// <summary>Our client over nbdkit's memory.</summary>
[TestFixture]
public sealed class ClientOverNbdkitConformance : BlockDeviceContract
{
    private readonly List<ServerProgram> servers = [];
    private string directory = null!;

    [SetUp]
    public void MakeDirectory()
    {
        ExternalTool.Require("nbdkit");
        directory = Directory.CreateTempSubdirectory("vmrepl-nbdc-").FullName;
    }

    [TearDown]
    public void Stop()
    {
        foreach (var server in servers) server.Dispose();
        servers.Clear();
        if (directory is not null) Directory.Delete(directory, recursive: true);
    }

    protected override IBlockDevice Make()
    {
        var address = new NbdAddress.Unix(Path.Combine(directory, $"{servers.Count}.sock"));
        servers.Add(new ServerProgram("nbdkit", address, "-f", "-U", address.Path, "memory", $"{DiskBytes}"));
        return NbdClient.Connect(address, "");
    }
}
