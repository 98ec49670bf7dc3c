namespace VmRepl.Journal.Index.Files;

/// <summary>
/// The memory that the indexes of all groups of a store take, under one cap: layers that no file holds yet, whatever finds pages in files, and the pages themselves, which make room for the rest.
/// Where growing layers take too much of it, that of the group with the largest is frozen at its next append. Safe for concurrent use.
/// </summary>
internal sealed class IndexMemory(long capBytes)
{
    // Growing layers may take this part of the cap together.
    private const int GrowingShare = 4;

    private readonly Lock gate = new();
    private readonly Dictionary<object, (long Counted, long Growing)> groups = [];
    private long growingTotal;

    /// <summary>Pages of index files. What is reserved of it is the rest.</summary>
    public IndexPageCache Cache { get; } = new(capBytes);

    /// <summary>Says what a group takes now beside its files.</summary>
    /// <param name="counted">Bytes of its layers in memory and of what goes with them.</param>
    /// <param name="growing">Bytes of its growing layer.</param>
    /// <returns>Whether it is due to freeze that layer.</returns>
    public bool Report(object group, long counted, long growing)
    {
        lock (gate)
        {
            var before = groups.GetValueOrDefault(group);
            groups[group] = (counted, growing);
            growingTotal += growing - before.Growing;
            if (counted > before.Counted) Cache.Reserve(counted - before.Counted);
            else Cache.Release(before.Counted - counted);
            return growingTotal > capBytes / GrowingShare && growing > 0 && groups.Values.All(g => g.Growing <= growing);
        }
    }

    /// <summary>The group is closed.</summary>
    public void Forget(object group)
    {
        lock (gate)
        {
            if (!groups.Remove(group, out var before)) return;
            growingTotal -= before.Growing;
            Cache.Release(before.Counted);
        }
    }
}
