using System.Text.Json;
using VmRepl.Blocks.Files;
using VmRepl.Protocol.Messages;

namespace VmRepl.Replication.Replica.FailoverTests;

/// <summary>The file of the store in which test failovers are kept, the newest of each group.</summary>
internal sealed class FailoverTestBook(IHostDirectory store)
{
    private const string Name = "failover-tests.json";

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    private readonly Lock gate = new();

    /// <summary>Oldest first.</summary>
    public IReadOnlyList<FailoverTest> Of(string group)
    {
        lock (gate) return [.. Read().GetValueOrDefault(group, [])];
    }

    public void Add(string group, FailoverTest test)
    {
        lock (gate)
        {
            var all = Read();
            all[group] = [.. all.GetValueOrDefault(group, []).Append(test).TakeLast(MessageLimits.MaxTests)];
            DurableFile.Replace(store, Name, JsonSerializer.SerializeToUtf8Bytes(all, Json));
        }
    }

    /// <summary>A file that does not parse is taken for none: it says what was tested, and no data depends on it.</summary>
    private Dictionary<string, FailoverTest[]> Read()
    {
        try
        {
            return DurableFile.TryRead(store, Name) is { } bytes ? JsonSerializer.Deserialize<Dictionary<string, FailoverTest[]>>(bytes, Json) ?? [] : [];
        }
        catch (JsonException)
        {
            return [];
        }
    }
}
