using System.Globalization;
using VmRepl.Blocks.Files;
using VmRepl.Journal;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Records;

namespace VmRepl.Benchmarks.Scale;

/// <summary>A store with one group whose journal holds very many small records at random places, a bookmark after each 1024.</summary>
internal static class ScaleStore
{
    private const int Batch = 1024;

    public static StoreSettings Settings => new() { NewGuid = Guid.NewGuid, Journal = new JournalOptions { FreeBytesMin = 0 } };

    /// <summary>Fills a new store and returns it open.</summary>
    /// <param name="note">Told the index's memory after each append, bytes.</param>
    public static ReplicaStore Fill(string directory, int records, int recordBytes, int diskMib, Action<long> note)
    {
        var store = ReplicaStore.OpenForWriting(new HostDirectory(directory), Settings);
        var group = store.Create(new GroupDescription("scale", Guid.Empty, 1, [new DiskDescription(1, "disk", (long)diskMib << 20, 512, "raw")]));
        var random = new Random(5);
        var payload = new byte[recordBytes];
        random.NextBytes(payload);
        ulong sequence = 0;
        group.Append([Make(RecordKind.ResyncBegin), Make(RecordKind.ResyncEnd)]);
        var places = ((long)diskMib << 20) / recordBytes;
        for (var done = 0; done < records; done += Batch)
        {
            var batch = new List<Record>(Batch + 1);
            for (var i = 0; i < Batch; i++) batch.Add(Make(RecordKind.Write, offset: random.NextInt64(places) * recordBytes, payload: payload));
            batch.Add(Make(RecordKind.Bookmark, name: string.Create(CultureInfo.InvariantCulture, $"b{done}")));
            group.Append(batch);
            note(group.Journal.IndexMemoryBytes);
        }

        return store;

        Record Make(RecordKind kind, string? name = null, long offset = 0, byte[]? payload = null) => Record.Create(
            new RecordHeader
            {
                Kind = kind,
                Sequence = ++sequence,
                TimeUs = (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks / 10,
                Epoch = 1,
                Disk = payload is null ? 0u : 1u,
                Offset = offset,
                Length = payload?.Length ?? 0,
                Attributes = name is null ? null : new Dictionary<string, string> { ["name"] = name },
            },
            payload);
    }
}
