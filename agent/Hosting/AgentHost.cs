using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using VmRepl.Agent.Commands.Arguments;
using VmRepl.Agent.Hosting.Nbd;
using VmRepl.Agent.Logging;
using VmRepl.Agent.Output;
using VmRepl.Blocks.Files;
using VmRepl.Clones;
using VmRepl.Clones.Drops;
using VmRepl.Clones.Made;
using VmRepl.Clones.Matching;
using VmRepl.Replication.Source;

namespace VmRepl.Agent.Hosting;

/// <summary><c>vmrepl agent</c>: protects groups and takes commands, HTTP and JSON over a Unix socket.</summary>
internal static class AgentHost
{
    private const string LockName = "agent.lock", DropsName = "drops", MadeName = "made";

    public static async Task RunAsync(AgentArguments arguments, CancellationToken cancellation)
    {
        using var certificates = Certificates.Load(arguments.Certificates);
        Directory.CreateDirectory(arguments.State);
        using var held = TakeState(arguments.State);
        PrepareSocket(arguments.Socket);

        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { Args = HostSettings.Arguments });
        if (arguments.ConfigFile is not null) builder.Configuration.AddJsonFile(arguments.ConfigFile, optional: false);
        builder.Logging.AddVmReplLogging(builder.Configuration);
        builder.WebHost.ConfigureKestrel(o => o.ListenUnixSocket(arguments.Socket, l => l.Protocols = HttpProtocols.Http1));
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = TimeSpan.FromSeconds(20));
        await using var application = builder.Build();
        var log = application.Services.GetRequiredService<ILoggerFactory>().CreateLogger("VmRepl.Agent");
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(cancellation, application.Lifetime.ApplicationStopping);
        var agent = new SourceAgent(new HostDirectory(arguments.State), (host, port) => new TcpConnector(host, port, certificates),
            AgentConfiguration.Link(builder.Configuration), AgentConfiguration.Follow(builder.Configuration), TimeProvider.System, Guid.NewGuid, log, stopping.Token);
        using var served = ServedDisks.Start(arguments.Socket, agent, log);
        var drops = Drops(AgentConfiguration.CloneDirectories(builder.Configuration, arguments.CloneDirectories, arguments.State), arguments.State, agent, log);
        var made = new MadeClones(Private(Path.Combine(arguments.State, MadeName)), agent, Guid.NewGuid, TimeProvider.System, log, stopping.Token);
        new AgentApi(agent, served, drops, made, stopping.Token).Map(application);
        await application.StartAsync(cancellation);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(arguments.Socket, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Certificates.WarnIfInvalid(certificates, "Agent", log);
        HostLog.AgentStarted(log, arguments.State, agent.Status.Count, arguments.Socket);
        agent.Resume();
        made.Resume();
        var serving = served.RunAsync(stopping.Token);
        // Not here: it looks at files, for half a second at a time at the most.
        var watching = drops is null ? Task.CompletedTask : Task.Run(() => WatchAsync(drops, log, stopping.Token), CancellationToken.None);
        await application.WaitForShutdownAsync(cancellation);
        // Clients go first: what they were answered is in the files, and nobody writes while the disks are let go.
        await stopping.CancelAsync();
        await serving;
        await watching;
        await made.DrainAsync();
        await agent.DrainAsync();
        File.Delete(arguments.Socket);
        HostLog.Stopped(log, "Agent");
    }

    /// <summary>A directory that nobody else may look into: it holds the contents of disks.</summary>
    private static HostDirectory Private(string path)
    {
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(path);
        else
        {
            const UnixFileMode owner = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
            Directory.CreateDirectory(path, owner);
            // One that was there may have had another mode.
            File.SetUnixFileMode(path, owner);
        }

        return new HostDirectory(path);
    }

    /// <summary>Null where nothing is to be watched and nothing is known of.</summary>
    private static DropWatch? Drops(IReadOnlyList<string> directories, string state, SourceAgent agent, ILogger log)
    {
        var kept = new HostDirectory(Path.Combine(state, DropsName));
        return directories.Count == 0 && !kept.Exists ? null : new DropWatch(directories, new DropList(kept), new AgentDisks(agent), Guid.NewGuid, TimeProvider.System, log);
    }

    private static async Task WatchAsync(DropWatch drops, ILogger log, CancellationToken stopping)
    {
        try
        {
            await drops.RunAsync(stopping);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // As it should be.
        }
        catch (Exception e)
        {
            // The disks that are followed must not suffer from it.
            HostLog.DropWatchFault(log, e.Message, e);
        }
    }

    /// <summary>One agent for a state directory; the operating system's lock ends with the process.</summary>
    private static FileStream TakeState(string state)
    {
        try
        {
            return new FileStream(Path.Combine(state, LockName), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e)
        {
            throw CommandFailure.Refused($"The state {state} is in use by another agent.", "Stop that one first, or give this one another --state.", cause: e);
        }
    }

    /// <summary>Removes a socket that an agent which died left behind; one that answers stays.</summary>
    private static void PrepareSocket(string path)
    {
        var directory = Path.GetDirectoryName(path)!;
        if (!Directory.Exists(directory))
        {
            if (OperatingSystem.IsWindows()) Directory.CreateDirectory(directory);
            else Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        ListeningSockets.RemoveStale(path, "Another agent", "--socket");
    }
}
