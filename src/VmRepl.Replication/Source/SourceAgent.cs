using Microsoft.Extensions.Logging;
using VmRepl.Blocks.Files;
using VmRepl.Images;
using VmRepl.Images.Opening;
using VmRepl.Journal.Points;
using VmRepl.Protocol.Names;
using VmRepl.Replication.Source.Following;

namespace VmRepl.Replication.Source;

/// <summary>
/// The source side of a host: the groups that it protects, kept in a directory of state. A round goes on when whoever asked for it goes away;
/// it ends with the agent, and one that was open is taken up again when the agent starts.
/// </summary>
public sealed class SourceAgent
{
    private const string IdentityName = "agent.json";
    private const string GroupsName = "groups";
    private const string ClonesName = "clones";

    private readonly IHostDirectory groupsDirectory;
    private readonly IHostDirectory clonesDirectory;
    private readonly Func<string, int, IReplicaConnector> connect;
    private readonly LinkOptions options;
    private readonly FollowOptions followOptions;
    private readonly TimeProvider time;
    private readonly ILogger log;
    private readonly CancellationToken stopping;
    private readonly Guid id;
    private readonly Lock gate = new();
    private readonly Dictionary<string, IProtectedGroup> groups = new(StringComparer.Ordinal);
    private readonly List<Task> resumed = [];

    /// <param name="directory">State; made where it is not there.</param>
    /// <param name="connect">Makes the connector for a host and port.</param>
    /// <param name="newGuid">Randomness for the agent's identity.</param>
    /// <param name="stopping">Cancelled when the agent ends.</param>
    public SourceAgent(IHostDirectory directory, Func<string, int, IReplicaConnector> connect, LinkOptions options, FollowOptions followOptions, TimeProvider time, Func<Guid> newGuid, ILogger log, CancellationToken stopping)
    {
        this.followOptions = followOptions;
        this.connect = connect;
        this.options = options;
        this.time = time;
        this.log = log;
        this.stopping = stopping;
        directory.Create();
        var identity = SourceJson.TryRead<Identity>(directory, IdentityName);
        if (identity is null)
        {
            identity = new Identity(newGuid());
            SourceJson.Write(directory, IdentityName, identity);
        }

        id = identity.Id;
        groupsDirectory = directory.Directory(GroupsName);
        groupsDirectory.Create();
        clonesDirectory = directory.Directory(ClonesName);
        foreach (var name in groupsDirectory.ListDirectories().Where(n => NameRule.IsValid(n)))
        {
            var groupDirectory = groupsDirectory.Directory(name);
            if (SourceJson.TryRead<SourceGroupDefinition>(groupDirectory, SourceGroup.DefinitionName) is { } definition) groups.Add(name, Load(groupDirectory, definition));
        }
    }

    public IReadOnlyList<SourceGroupStatus> Status
    {
        get
        {
            lock (gate) return [.. groups.Values.Select(g => g.Status).OrderBy(s => s.Definition.Name, StringComparer.Ordinal)];
        }
    }

    /// <summary>Takes up the rounds that an earlier life of this agent left open; they go on in the background.</summary>
    public void Resume()
    {
        lock (gate)
        {
            resumed.AddRange(groups.Values.OfType<SourceGroup>().Where(g => g.RoundIsOpen).Select(g => Quietly(g.SyncAsync(stopping))));
            foreach (var served in groups.Values.OfType<ServedGroup>())
            {
                try
                {
                    served.Start();
                }
                catch (ReplicationException e)
                {
                    LinkLog.RoundFailed(log, served.Definition.Name, e.Message);
                }
            }
        }
    }

    /// <summary>Begins to protect a VM.</summary>
    /// <returns>What is protected, and the baseline, which runs until its point is durable.</returns>
    /// <exception cref="ReplicationException">The name is in use, a disk cannot be protected, or the replica would be reached in the clear.</exception>
    public (SourceGroupDefinition Definition, Task<RoundResult> Baseline) Protect(ProtectRequest request)
    {
        if (!NameRule.IsValid(request.Group)) throw new ReplicationException(request.Group, $"\"{request.Group}\" is no valid group name: {NameRule.Text}", "", isRefusal: true);
        if (CloneGroupName.IsValid(request.Group)) throw new ReplicationException(request.Group, $"\"{request.Group}\" is a name for clones", "Choose another name.", isRefusal: true);
        var connector = connect(request.ReplicaHost, request.ReplicaPort);
        if (connector is TcpConnector { IsUnsafe: true })
            throw new ReplicationException(request.Group, $"group {request.Group}: the disks would cross the network to {connector.Peer} in the clear", "Start the agent with --certificate, --key and --authority.", isRefusal: true);
        RefuseIfTaken(request.Group);
        if (request.Seeds.Keys.FirstOrDefault(n => request.Disks.All(d => d.Name != n)) is { } stray)
            throw new ReplicationException(request.Group, $"group {request.Group}: a seed is given for disk {stray}, which is not one of its disks", $"Its disks are {string.Join(", ", request.Disks.Select(d => d.Name))}.", isRefusal: true);
        var disks = request.Disks.Select((d, i) => Examine(request, d, (uint)(i + 1))).ToList();
        var definition = new SourceGroupDefinition(request.Group, connector.Peer, disks, request.DefinitionFile, request.Allow, 1) { Metadata = request.Metadata, Capture = request.Capture, Acknowledgement = request.Acknowledgement, OnLoss = request.OnLoss };
        IProtectedGroup group;
        lock (gate)
        {
            RefuseIfTaken(request.Group);
            var directory = groupsDirectory.Directory(request.Group);
            directory.Create();
            SourceJson.Write(directory, SourceGroup.DefinitionName, definition);
            groupsDirectory.Flush();
            group = Load(directory, definition);
            groups.Add(request.Group, group);
        }

        return (definition, BaselineAsync(group));
    }

    /// <summary>Stops protecting a group. What the replica has stays there.</summary>
    public async Task UnprotectAsync(string name)
    {
        var group = Get(name);
        if (group.WhyBusy is { } busy) throw new ReplicationException(name, $"group {name} {busy}", "Wait for its end, then try again.", isRefusal: true);
        await group.StopAsync();
        lock (gate) Remove(name);
    }

    /// <inheritdoc cref="SourceGroup.SyncAsync"/>
    public Task<RoundResult> SyncAsync(string name) => Get(name).SyncAsync(stopping);

    /// <inheritdoc cref="SourceGroup.BookmarkAsync"/>
    public Task<RecoveryPoint> BookmarkAsync(string name, string bookmark) => Get(name).BookmarkAsync(bookmark, stopping);

    /// <summary>Freezes the disks of a served group at one place in the order, and begins to copy them.</summary>
    /// <param name="id">The clone's own, in the record.</param>
    /// <param name="name">What people call it, in the record.</param>
    /// <param name="targets">By disk name: a file as long as the disk and all hole; used until the copy has ended.</param>
    /// <exception cref="ReplicationException">The group is not served or not in sync, or changes under way did not end in time; nothing was done.</exception>
    /// <exception cref="IOException">The agent's state cannot be written; nothing was done.</exception>
    public Task<FrozenGroup> FreezeAsync(string group, string id, string name, IReadOnlyDictionary<string, IHostFile> targets) => GetServed(group).FreezeAsync(id, name, targets, stopping);

    /// <summary>
    /// Brings a clone over to its owner's replica, or goes on where an earlier attempt, in this or an earlier life of the agent, ended. What is remembered of attempts is removed at the end of the one that succeeds.
    /// </summary>
    /// <returns>What was sent in this attempt.</returns>
    /// <exception cref="ReplicationException">The clone is not whole at the replica; the next attempt goes on.</exception>
    public async Task<RoundResult> ReplicateCloneAsync(CloneRequest request, CancellationToken cancellation)
    {
        var owner = Get(request.CloneOf.Owner);
        var definition = new SourceGroupDefinition(request.Group, owner.Definition.Replica, [request.Disk], null, request.Allow, 1) { CloneOf = request.CloneOf, IsSeedWhole = request.IsSeedWhole };
        clonesDirectory.Create();
        var directory = clonesDirectory.Directory(request.Group);
        directory.Create();
        SourceJson.Write(directory, SourceGroup.DefinitionName, definition);
        clonesDirectory.Flush();
        var result = await new SourceGroup(directory, definition, id, owner.Connector, options, time, log, request.Files).SyncAsync(cancellation);
        directory.DeleteTree();
        return result;
    }

    /// <summary>Forgets the attempts to bring a clone over. What the replica has of it stays there.</summary>
    public void ForgetClone(string group)
    {
        if (!CloneGroupName.IsValid(group)) throw new ArgumentException($"\"{group}\" is no clone's name", nameof(group));
        if (clonesDirectory.Directory(group) is { Exists: true } directory) directory.DeleteTree();
    }

    /// <summary>How the replica of a group is reached.</summary>
    public IReplicaConnector ConnectorOf(string name) => Get(name).Connector;

    public SourceGroupStatus StatusOf(string name) => Get(name).Status;

    /// <summary>The same; null where there is no such group.</summary>
    public SourceGroupStatus? FindStatus(string name)
    {
        IProtectedGroup? group;
        lock (gate) group = groups.GetValueOrDefault(name);
        return group?.Status;
    }

    /// <summary>Groups whose disks are served, by name.</summary>
    public IReadOnlyList<string> Served
    {
        get
        {
            lock (gate) return [.. groups.Values.OfType<ServedGroup>().Select(g => g.Definition.Name).Order(StringComparer.Ordinal)];
        }
    }

    /// <summary>The device of a served disk.</summary>
    /// <exception cref="ReplicationException">There is none of that name, or it cannot be served at present.</exception>
    public VmRepl.Blocks.IBlockDevice Device(string name, string disk)
    {
        var served = GetServed(name);
        served.Start();
        return served.Device(disk) ?? throw new ReplicationException(name, $"group {name} has no disk {disk}", $"It has {string.Join(", ", served.Definition.Disks.Select(d => d.Name))}.");
    }

    /// <summary>How a served group's replica was brought level, and why, oldest first.</summary>
    public IReadOnlyList<LinkDecision> Decisions(string name) => GetServed(name).Decisions;

    /// <summary>Waits until what runs in the background has seen that the agent stops, and lets the served disks go.</summary>
    public async Task DrainAsync()
    {
        Task[] running;
        ServedGroup[] served;
        lock (gate) (running, served) = ([.. resumed], [.. groups.Values.OfType<ServedGroup>()]);
        await Task.WhenAll(running);
        await Task.WhenAll(served.Select(s => s.StopAsync()));
    }

    private static async Task Quietly(Task<RoundResult> round)
    {
        try
        {
            await round;
        }
        catch (Exception e) when (e is ReplicationException or OperationCanceledException)
        {
            // Logged and kept in the group's status; nobody waits for it.
        }
    }

    private async Task<RoundResult> BaselineAsync(IProtectedGroup group)
    {
        try
        {
            return await group.SyncAsync(stopping);
        }
        catch (ReplicationException e) when (e.IsRefusal)
        {
            // What is refused will be refused again: the group is not left behind as if it were protected.
            await group.StopAsync();
            lock (gate) Remove(group.Definition.Name);
            throw;
        }
    }

    private void Remove(string name)
    {
        groups.Remove(name);
        groupsDirectory.Directory(name).DeleteTree();
        groupsDirectory.Flush();
    }

    private void RefuseIfTaken(string name)
    {
        lock (gate)
        {
            if (groups.ContainsKey(name)) throw new ReplicationException(name, $"the group name {name} is in use on this agent", $"Choose another name, or vmrepl unprotect {name} first.", isRefusal: true);
        }
    }

    private static SourceDisk Examine(ProtectRequest request, (string Name, string File, ImageFormat? Format) asked, uint id)
    {
        if (!NameRule.IsValid(asked.Name)) throw new ReplicationException(request.Group, $"\"{asked.Name}\" is no valid disk name: {NameRule.Text}", "", isRefusal: true);
        try
        {
            using var image = DiskImages.Open(asked.File, new ImageOpenOptions { Format = asked.Format, Allow = request.Allow });
            if (image.Length == 0) throw new ReplicationException(request.Group, $"group {request.Group}: disk {asked.Name} ({asked.File}) has no size", "A disk of 0 bytes cannot be protected.");
            return new SourceDisk(id, asked.Name, Path.GetFullPath(asked.File), image.Format, image.Length, image.SectorSize) { Seed = request.Seeds.GetValueOrDefault(asked.Name) };
        }
        catch (Exception e) when (e is ImageFormatException or IOException or UnauthorizedAccessException)
        {
            throw new ReplicationException(request.Group, $"group {request.Group}: disk {asked.Name} cannot be read: {e.Message}", "Look at the path and the image.", cause: e);
        }
        catch (ReferenceRefusedException e)
        {
            throw new ReplicationException(request.Group, $"group {request.Group}: disk {asked.Name}: {e.Message}", "Name the directory with --allow.", isRefusal: true, cause: e);
        }
    }

    private ServedGroup GetServed(string name) => Get(name) as ServedGroup
        ?? throw new ReplicationException(name, $"group {name} is not served: its capture mode is snapshot", "vmrepl protect --capture served serves a group's disks.", isRefusal: true);

    private IProtectedGroup Get(string name)
    {
        lock (gate)
        {
            return groups.TryGetValue(name, out var group) ? group : throw new ReplicationException(name, $"this agent protects no group named {name}",
                groups.Count == 0 ? "vmrepl protect begins to protect one." : $"It protects {string.Join(", ", groups.Keys.Order(StringComparer.Ordinal))}.");
        }
    }

    private IProtectedGroup Load(IHostDirectory directory, SourceGroupDefinition definition)
    {
        var colon = definition.Replica.LastIndexOf(':');
        var host = definition.Replica[..colon].Trim('[', ']');
        var connector = connect(host, int.Parse(definition.Replica.AsSpan(colon + 1), System.Globalization.CultureInfo.InvariantCulture));
        return definition.Capture == CaptureMode.Served ? new ServedGroup(directory, definition, id, connector, options, followOptions, time, log, stopping) : new SourceGroup(directory, definition, id, connector, options, time, log);
    }

    private sealed record Identity(Guid Id);
}
