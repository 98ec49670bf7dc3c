using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Replication.Source.Tracking;

public enum MarksFound { New, CleanStop, ProcessDeath, HostCrash, Damaged }

internal sealed record DirtyLogOptions;

internal sealed class DirtyRegionLog : IDisposable
{
    private readonly Dictionary<long, int> counts = [];
    private readonly ExtentSet dirty = new();
    private readonly Lock gate = new();
    private readonly IHostDirectory directory;
    private readonly string name;
    private readonly long length;

    private DirtyRegionLog(IHostDirectory directory, string name, long length) => (this.directory, this.name, this.length) = (directory, name, length);

    public static DirtyRegionLog Open(IHostDirectory directory, string name, long length, DirtyLogOptions options, TimeProvider time)
    {
        var log = new DirtyRegionLog(directory, name, length);
        var saved = SourceJson.TryRead<Saved>(directory, name + ".tmpmarks");
        if (saved is null) return log;
        log.Found = MarksFound.CleanStop;
        log.DurableAtReplica = saved.Durable;
        for (var i = 0; i < saved.Dirty.Length; i += 2) log.dirty.Add(new Extent(saved.Dirty[i], saved.Dirty[i + 1]));
        return log;
    }

    public MarksFound Found { get; private set; }
    public DateTimeOffset? LastWriteBegun { get; private set; }
    public ulong DurableAtReplica { get; set; }
    public bool IsCollapsed => false;
    public long DirtyBytes { get { lock (gate) return dirty.Bytes; } }

    public void NoteWriteBegun(DateTimeOffset now) => LastWriteBegun = now;

    public bool TryBegin(Extent extent)
    {
        lock (gate)
        {
            dirty.Add(extent);
            for (var c = extent.Offset / 4096; c <= (extent.End - 1) / 4096; c++) counts[c] = counts.GetValueOrDefault(c) + 1;
            return true;
        }
    }

    public ValueTask ActivateAsync(Extent extent) => default;

    public void End(Extent extent, bool clean)
    {
        lock (gate)
        {
            for (var c = extent.Offset / 4096; c <= (extent.End - 1) / 4096; c++)
            {
                var left = counts[c] - 1;
                if (left < 0) throw new InvalidOperationException("ended more often than begun");
                if (left > 0) counts[c] = left;
                else
                {
                    counts.Remove(c);
                    if (clean) dirty.Remove(new Extent(c * 4096, 4096));
                }
            }
        }
    }

    public void Clear(Extent extent)
    {
        lock (gate)
        {
            foreach (var part in dirty.Intersect(extent).ToList())
            for (var c = part.Offset / 4096; c <= (part.End - 1) / 4096; c++) if (!counts.ContainsKey(c)) dirty.Remove(new Extent(c * 4096, 4096));
        }
    }

    public void MarkAll() { lock (gate) dirty.Add(new Extent(0, length)); }

    public IReadOnlyList<Extent> Dirty(Extent window) { lock (gate) return [.. dirty.Intersect(window)]; }

    public void CloseClean() => SourceJson.Write(directory, name + ".tmpmarks", new Saved(DurableAtReplica, [.. dirty.Extents.SelectMany(e => new[] { e.Offset, e.Length })]));

    public void Dispose() { }

    private sealed record Saved(ulong Durable, long[] Dirty);
}
