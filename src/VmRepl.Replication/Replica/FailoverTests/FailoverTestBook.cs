using VmRepl.Blocks.Files;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Messages;

namespace VmRepl.Replication.Replica.FailoverTests;

/// <summary>The file of the store in which test failovers are kept, the newest of each group. One that cannot be read is taken for none: it says what was tested, and no data depends on it.</summary>
internal sealed class FailoverTestBook(IHostDirectory store)
{
    private const string Name = "failover-tests.json";

    private readonly Lock gate = new();

    /// <summary>Oldest first.</summary>
    public FailoverTest[] Of(string group)
    {
        lock (gate) return Read().GetValueOrDefault(group, []);
    }

    public void Add(string group, FailoverTest test)
    {
        lock (gate)
        {
            var all = Read();
            all[group] = [.. all.GetValueOrDefault(group, []).Append(test).TakeLast(MessageLimits.MaxTests)];
            StoreJson.Write(store, Name, all);
        }
    }

    private Dictionary<string, FailoverTest[]> Read() => StoreJson.TryRead<Dictionary<string, FailoverTest[]>>(store, Name) ?? [];
}
