using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using VmRepl.Agent.Commands.Arguments;
using VmRepl.Agent.Hosting.Nbd;
using VmRepl.Agent.Logging;
using VmRepl.Agent.Output;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Security;
using VmRepl.Replication.Replica;

namespace VmRepl.Agent.Hosting;

/// <summary><c>vmrepl replica</c>: owns a store and serves it, over TCP to agents and over a Unix socket to commands on this host.</summary>
internal static class ReplicaHost
{
    public static async Task RunAsync(ReplicaArguments arguments, CancellationToken cancellation)
    {
        using var certificates = Certificates.Load(arguments.Certificates);
        var endPoint = await ListeningSockets.ResolveAsync(arguments.Listen.Host, arguments.Listen.Port, "--listen", cancellation);
        ListeningSockets.Check(endPoint, certificates is not null);

        var localSocket = LocalSocketPath(arguments.Store);
        using var owner = TakeStore(arguments.Store, localSocket);
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { Args = HostSettings.Arguments });
        builder.Logging.AddVmReplLogging(builder.Configuration);
        builder.Services.AddHostedService(services => new Service(arguments, endPoint, localSocket, certificates, builder.Configuration, services.GetRequiredService<ILogger<Service>>()));
        using var host = builder.Build();
        await host.RunAsync(cancellation);
    }

    private static StoreOwner TakeStore(string store, string localSocket)
    {
        try
        {
            return StoreOwner.Take(store, localSocket);
        }
        catch (StoreException e)
        {
            throw CommandFailure.Refused(e.Message, e.Hint, cause: e);
        }
    }

    /// <summary>A Unix socket's path may be about a hundred bytes: where the store's is too long for one, a name made from it in the temporary directory serves.</summary>
    private static string LocalSocketPath(string store)
    {
        const int bytesMax = 100;
        var beside = Path.Combine(store, "replica.sock");
        return Encoding.UTF8.GetByteCount(beside) <= bytesMax ? beside
            : Path.Combine(Path.GetTempPath(), $"vmrepl-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(store)))[..16]}.sock");
    }

    private sealed class Service(ReplicaArguments arguments, IPEndPoint endPoint, string localSocket, PeerCertificates? certificates, IConfiguration configuration, ILogger<Service> log) : BackgroundService
    {
        private readonly TaskCompletionSource started = new(TaskCreationOptions.RunContinuationsAsynchronously);

        protected override async Task ExecuteAsync(CancellationToken stoppingToken)
        {
            var settings = new StoreSettings { NewGuid = Guid.NewGuid, Journal = ReplicaConfiguration.Journal(configuration, arguments.Journal), Notice = (group, sentence) => HostLog.GroupNotice(log, group, sentence) };
            settings = settings with { IndexMemoryBytes = ReplicaConfiguration.IndexMemoryBytes(configuration, settings.IndexMemoryBytes) };
            var seeds = ReplicaConfiguration.Seeds(configuration, arguments.Seeds, arguments.Store);
            using var store = ReplicaStore.OpenForWriting(new HostDirectory(arguments.Store), settings);
            foreach (var (group, fault) in store.Faults) HostLog.GroupFault(log, group, fault.Message);
            var schedule = ReplicaConfiguration.Scrub(configuration);
            using var nbd = arguments.Nbd is { } address ? await NbdService.StartAsync(address, certificates, store, log, stoppingToken) : null;
            var site = new ReplicaSite(store, new ReplicaOptions(), TimeProvider.System, log) { Attachments = nbd?.Attachments, Seeds = seeds, RunAside = work => Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default) };

            var tcp = ListeningSockets.Listen(endPoint);
            File.Delete(localSocket);
            var local = ListeningSockets.Listen(new UnixDomainSocketEndPoint(localSocket));
            Certificates.WarnIfInvalid(certificates, "Replica", log);
            HostLog.ReplicaStarted(log, arguments.Store, store.Identity.Id, store.Identity.Incarnation, store.Groups.Count, tcp.LocalEndPoint!.ToString()!,
                certificates is null ? "in the clear (this host only)" : "mutual TLS");
            started.TrySetResult();
            await Task.WhenAll(
                new ReplicaListener(tcp, certificates, site, log).RunAsync(stoppingToken),
                new ReplicaListener(local, null, site, log).RunAsync(stoppingToken),
                nbd?.RunAsync(stoppingToken) ?? Task.CompletedTask,
                ScrubAsync(new BackgroundScrub(site, schedule), stoppingToken));
            foreach (var group in store.Groups.Where(g => !g.Journal.IsFailed)) group.Journal.Checkpoint();
            File.Delete(localSocket);
            HostLog.Stopped(log, "Replica");
        }

        /// <summary>The host is up when the listener is: a failure to start ends the command with its reason.</summary>
        public override async Task StartAsync(CancellationToken cancellationToken)
        {
            await base.StartAsync(cancellationToken);
            await Task.WhenAny(started.Task, ExecuteTask!);
            if (ExecuteTask!.IsFaulted) await ExecuteTask;
        }

        private static async Task ScrubAsync(BackgroundScrub scrub, CancellationToken stopping)
        {
            try
            {
                await scrub.RunAsync(stopping);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                // As it should be.
            }
        }
    }
}
