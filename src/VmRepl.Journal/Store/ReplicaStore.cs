using VmRepl.Blocks.Files;
using VmRepl.Journal.Index.Files;
using VmRepl.Journal.Scrub;
using VmRepl.Protocol.Names;

namespace VmRepl.Journal.Store;

/// <summary>
/// A store: a directory with an identity and groups. Opened for writing by one owner at a time (<see cref="StoreOwner"/>); opened for reading by anybody, with nothing written.
/// A group that cannot be opened does not keep the others from being opened.
/// </summary>
public sealed class ReplicaStore : IDisposable
{
    private const string IdentityName = "store.json";
    private const string GroupsName = "groups";
    private const int Format = 1;

    private readonly IHostDirectory groupsDirectory;
    private readonly StoreSettings settings;
    private readonly IndexMemory memory;
    private readonly bool isReadOnly;
    private readonly Lock gate = new();
    private readonly Dictionary<string, GroupStore> groups = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Exception> faults = new(StringComparer.Ordinal);

    private ReplicaStore(IHostDirectory directory, StoreIdentity identity, StoreSettings settings, bool isReadOnly)
    {
        Directory = directory;
        groupsDirectory = directory.Directory(GroupsName);
        this.settings = settings;
        memory = new IndexMemory(settings.IndexMemoryBytes);
        this.isReadOnly = isReadOnly;
        Identity = identity;
    }

    public StoreIdentity Identity { get; }

    /// <summary>Where the store is. What is beside <c>groups</c> and <c>store.json</c> is kept by others.</summary>
    public IHostDirectory Directory { get; }

    /// <summary>Groups that could not be opened, and why.</summary>
    public IReadOnlyDictionary<string, Exception> Faults
    {
        get
        {
            lock (gate) return new Dictionary<string, Exception>(faults);
        }
    }

    public IReadOnlyList<GroupStore> Groups
    {
        get
        {
            lock (gate) return [.. groups.Values];
        }
    }

    /// <summary>Opens a store for writing, making it where the directory is new or empty. Every group is recovered.</summary>
    /// <exception cref="StoreException">The directory holds something else.</exception>
    public static ReplicaStore OpenForWriting(IHostDirectory directory, StoreSettings settings)
    {
        directory.Create();
        var fresh = !directory.FileExists(IdentityName);
        if (fresh && directory.ListDirectories().Count > 0) throw new StoreException($"{directory.Path} is not empty and is no store", "Give --store a new directory, or one that a replica made.");
        var identity = fresh ? new StoreIdentity(Format, settings.NewGuid(), 0) : ReadIdentity(directory);
        identity = identity with { Incarnation = identity.Incarnation + 1 };
        StoreJson.Write(directory, IdentityName, identity);
        var store = new ReplicaStore(directory, identity, settings, isReadOnly: false);
        store.groupsDirectory.Create();
        directory.Flush();
        // A process that was killed while it made a group may have left names that are seen and not durable.
        store.groupsDirectory.Flush();
        store.OpenGroups();
        return store;
    }

    /// <summary>Opens a store for reading; nothing is written, no process need run.</summary>
    /// <exception cref="StoreException">The directory is no store.</exception>
    public static ReplicaStore OpenForReading(IHostDirectory directory, StoreSettings settings)
    {
        if (!directory.Exists) throw new StoreException($"{directory.Path} does not exist", "Give --store a directory that a replica made.");
        var store = new ReplicaStore(directory, ReadIdentity(directory), settings, isReadOnly: true);
        if (store.groupsDirectory.Exists) store.OpenGroups();
        return store;
    }

    /// <summary>The names of the groups in a store's directory, in order; nothing is opened.</summary>
    public static IReadOnlyList<string> GroupNames(IHostDirectory directory)
    {
        var groups = directory.Directory(GroupsName);
        return groups.Exists ? [.. groups.ListDirectories().Where(n => IsGroup(groups, n)).Order(StringComparer.Ordinal)] : [];
    }

    /// <summary>The group of that name, or null where there is none.</summary>
    /// <exception cref="StoreException">There is one and it cannot be opened.</exception>
    public GroupStore? Find(string name)
    {
        lock (gate)
        {
            if (groups.TryGetValue(name, out var group)) return group;
            if (!faults.TryGetValue(name, out var fault)) return null;
            if (fault is JournalDamagedException or StoreException) throw fault;
            throw new StoreException($"group {name} cannot be opened: {fault.Message}");
        }
    }

    /// <exception cref="StoreException">There is no such group, or it cannot be opened.</exception>
    public GroupStore Get(string name) => Find(name) ?? throw new StoreException($"there is no group named {name}",
        Groups.All(g => g.Description.CloneOf is not null) ? "This store holds no groups." : $"This store holds {string.Join(", ", Groups.Where(g => g.Description.CloneOf is null).Select(g => g.Description.Name))}.");

    /// <summary>The group whose clone <paramref name="name"/> is; itself where it is none, or is not there.</summary>
    public string OwnerOf(string name)
    {
        lock (gate) return groups.GetValueOrDefault(name)?.Description.CloneOf?.Owner ?? name;
    }

    /// <summary>The clones of a group, oldest first.</summary>
    public IReadOnlyList<GroupStore> ClonesOf(string owner) => [.. Groups.Where(g => g.Description.CloneOf?.Owner == owner).OrderBy(g => g.Description.CloneOf!.TimeUs).ThenBy(g => g.Description.Name, StringComparer.Ordinal)];

    /// <summary>Scrubs a group; one that is too damaged to be opened ends in a report as well.</summary>
    /// <exception cref="StoreException">There is no such group, or it cannot be opened for another reason than damage.</exception>
    public Task<ScrubReport> ScrubAsync(string name, ScrubOptions options, CancellationToken cancellation)
    {
        Exception? fault;
        lock (gate) fault = groups.ContainsKey(name) ? null : faults.GetValueOrDefault(name);
        return fault is JournalDamagedException or Images.ImageFormatException
            ? Task.FromResult(UnopenedGroup.Report(groupsDirectory.Directory(name), name, fault))
            : GroupScrub.RunAsync(Get(name), options, cancellation);
    }

    public GroupStore Create(GroupDescription description)
    {
        if (!NameRule.IsValid(description.Name)) throw new StoreException($"\"{description.Name}\" is no valid group name");
        lock (gate)
        {
            var group = GroupStore.Create(groupsDirectory.Directory(description.Name), description, settings, Identity.Incarnation, memory);
            groupsDirectory.Flush();
            groups.Add(description.Name, group);
            return group;
        }
    }

    /// <summary>Opens a group anew, after its journal failed: recovery finds out what is there.</summary>
    public GroupStore Reopen(string name)
    {
        lock (gate)
        {
            if (groups.Remove(name, out var failed)) failed.Dispose();
            faults.Remove(name);
            TryOpen(name);
            return Get(name);
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            foreach (var group in groups.Values) group.Dispose();
            groups.Clear();
        }
    }

    private static StoreIdentity ReadIdentity(IHostDirectory directory)
    {
        var identity = StoreJson.Read<StoreIdentity>(directory, IdentityName);
        return identity.Format <= Format ? identity : throw new StoreException($"{directory.Path} has layout {identity.Format}; this build reads up to {Format}", "Use the version that wrote it, or a newer one.");
    }

    private void OpenGroups()
    {
        foreach (var name in groupsDirectory.ListDirectories().Where(n => IsGroup(groupsDirectory, n))) TryOpen(name);
    }

    /// <summary>A directory without a description: a crash while the group was made. It holds nothing.</summary>
    private static bool IsGroup(IHostDirectory groups, string name) => NameRule.IsValid(name) && groups.Directory(name).FileExists(GroupStore.DescriptionName);

    private void TryOpen(string name)
    {
        try
        {
            groups.Add(name, GroupStore.Open(groupsDirectory.Directory(name), settings, Identity.Incarnation, isReadOnly, memory));
        }
        catch (Exception e) when (e is StoreException or JournalDamagedException or Images.ImageFormatException or IOException or UnauthorizedAccessException)
        {
            faults.Add(name, e);
        }
    }
}
