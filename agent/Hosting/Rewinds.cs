using Microsoft.Extensions.Configuration;
using VmRepl.Agent.Commands.Arguments;
using VmRepl.Agent.Output;
using VmRepl.Blocks.Files;
using VmRepl.Journal;
using VmRepl.Journal.Rewind;
using VmRepl.Journal.Store;
using VmRepl.Replication.Reading;

namespace VmRepl.Agent.Hosting;

/// <summary>Takes a group's live images to a point: through the replica that has the store, or in the store itself where none has it.</summary>
internal static class Rewinds
{
    /// <param name="progress">Is told how many bytes there are and how many are back.</param>
    public static async Task<RewindResult> RunAsync(RewindArguments arguments, Action<long, long> progress, CancellationToken cancellation)
    {
        var to = arguments.To.ToString()!;
        if (arguments.Source is PointSource.Store { Directory: var directory } && !StoreOwner.IsOwned(directory, out _))
            return await Task.Run(() => RunInStore(directory, arguments.Group, to, progress, cancellation), cancellation);
        await using var reader = await PastReaders.OpenAsync(arguments.Source, arguments.Group, cancellation);
        return reader is ReplicaPastReader replica ? await replica.RewindAsync(arguments.Group, to, progress, cancellation)
            : throw CommandFailure.Refused($"The replica that had the store {arguments.Source} stopped just now.", "Try again.");
    }

    private static RewindResult RunInStore(string directory, string group, string to, Action<long, long> progress, CancellationToken cancellation)
    {
        var settings = new StoreSettings { NewGuid = Guid.NewGuid };
        // Looked at first: opening for writing would make a store where there is none.
        using (var reader = ReplicaStore.OpenForReading(new HostDirectory(directory), settings)) reader.Get(group).FindPoint(to);
        using var owner = StoreOwner.Take(directory, socketPath: null);
        using var store = ReplicaStore.OpenForWriting(new HostDirectory(directory), settings with { Journal = ReplicaConfiguration.Journal(Configuration()) });
        var found = store.Get(group);
        using var rewind = GroupRewind.Begin(found, found.FindPoint(to));
        try
        {
            progress(rewind.TotalBytes, 0);
            var made = rewind.Run(new Reporting(done => progress(rewind.TotalBytes, done)), cancellation);
            return new RewindResult(made, rewind.Point, rewind.DoneBytes);
        }
        catch (JournalFullException e)
        {
            throw new CommandFailure($"There is no room in the store for the rewind of {group}: {e.Message}.",
                "Every point is kept, and the newest one is as it was; free space or raise Journal:CapacityBytes and rewind again, or rewind to latest to bring the live image back to it.", group, cause: e);
        }
        catch (OperationCanceledException e)
        {
            throw new CommandFailure($"The rewind of {group} was stopped before its end: the live images are between two points.", "Every point is kept; rewind again, to this point or to latest, or sync.", group, cause: e);
        }
    }

    /// <summary>As the replica's host has it: the same limits hold.</summary>
    private static IConfiguration Configuration() => new ConfigurationBuilder().SetBasePath(Environment.CurrentDirectory).AddJsonFile("appsettings.json", optional: true).AddEnvironmentVariables().Build();

    /// <summary>Reports at once; the library's own class does so some time later.</summary>
    private sealed class Reporting(Action<long> report) : IProgress<long>
    {
        public void Report(long value) => report(value);
    }
}
