using VmRepl.Blocks.Files;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Index.Files;

/// <summary>
/// Makes one file of layers that lie one behind the other (of one, which is then written out), a little at a time, and leaves out what is void.
/// <para>States: under way, finished (the file has its name, durably), given up. A crash or a failure leaves a file with a spare name, which the next opening removes; the layers are as they were.</para>
/// Memory does not depend on the size of the layers but for the fences and filters of the new file, and is counted in the cache's cap.
/// </summary>
internal sealed class IndexMerge : IDisposable
{
    // Of each layer that is a file: pages of runs and of references, kept until they have been gone through.
    private const int PagesPerSource = 4;
    private const int VersionsPerStep = 64;
    private const int FactBytesPerUnit = 64;

    private readonly List<MergeSource> sources = [];
    private readonly MergeCursor[] cursors;
    private readonly uint[] disks;
    private readonly MergeBounds bounds;
    private readonly IHostDirectory directory;
    private readonly IndexPageCache cache;
    private readonly long reserved;
    private readonly IndexFileWriter writer;
    private readonly IEnumerator<int> steps;
    private ulong startHeldFor;
    private bool isClosed;

    /// <param name="directory">Where the file is made.</param>
    /// <param name="sources">From the oldest, without gaps.</param>
    /// <param name="disks">Every disk that a layer has runs of.</param>
    /// <param name="bounds">What is void.</param>
    /// <param name="cache">The store's; only counted on.</param>
    public IndexMerge(IHostDirectory directory, IReadOnlyList<MergeSource> sources, IEnumerable<uint> disks, MergeBounds bounds, IndexPageCache cache)
    {
        for (var i = 1; i < sources.Count; i++)
        {
            if (!sources[i].Layer.First.Follows(sources[i - 1].Layer.End)) throw new ArgumentException($"a layer ends at {sources[i - 1].Layer.End} and the next begins at {sources[i].Layer.First}", nameof(sources));
        }

        (this.directory, this.bounds, this.cache) = (directory, bounds, cache);
        this.disks = [.. disks.Distinct().Order()];
        var own = new IndexPageCache(sources.Count * PagesPerSource * (long)IndexPageCache.PageCost);
        foreach (var source in sources) this.sources.Add(source.Layer is IndexFile file ? source with { Layer = file.Scan(own) } : source);
        cursors = [.. this.sources.Select(s => new MergeCursor(s.Layer, bounds))];
        startHeldFor = Math.Max(bounds.Start, sources.Max(s => (s.Layer as IndexFile)?.Start ?? 0));
        writer = IndexFileWriter.Create(directory, sources[0].Layer.First, sources[^1].Layer.End, cache);
        reserved = own.CapBytes;
        cache.Reserve(reserved);
        steps = Steps().GetEnumerator();
    }

    /// <summary>The name that the file gets.</summary>
    public string Name => writer.Name;

    public bool IsFinished { get; private set; }

    /// <summary>Goes on by about <paramref name="budget"/> entries: a run looked at, a version copied, 64 bytes of a fact. Each 63 or 85 of them are a page of 4096 bytes that is read and one that is written.</summary>
    /// <returns>Whether it is finished.</returns>
    /// <exception cref="JournalDamagedException">A layer does not verify. The merge can only be given up.</exception>
    /// <exception cref="IOException">As above.</exception>
    public bool Step(int budget)
    {
        if (IsFinished) return true;
        ObjectDisposedException.ThrowIf(isClosed, this);
        while (budget > 0)
        {
            if (!steps.MoveNext())
            {
                IsFinished = true;
                Dispose();
                return true;
            }

            budget -= steps.Current;
        }

        return false;
    }

    /// <summary>Closes what is open. What was written of a merge that is not finished stays under its spare name.</summary>
    public void Dispose()
    {
        if (isClosed) return;
        isClosed = true;
        steps.Dispose();
        cache.Release(reserved);
        writer.Dispose();
    }

    /// <summary>Gives a merge up and removes what was written.</summary>
    public void Abandon()
    {
        if (isClosed) return;
        writer.Abandon();
        Dispose();
    }

    private IEnumerable<int> Steps()
    {
        foreach (var disk in disks)
        {
            foreach (var cursor in cursors) cursor.Begin(disk);
            MergePiece? pending = null;
            for (long at = 0; ;)
            {
                var piece = Next(at);
                if (piece is not null)
                {
                    at = piece.End;
                    yield return 1;
                    if (piece.IsEmpty) continue;
                    if (pending is not null && pending.IsContinuedBy(piece))
                    {
                        pending = pending with { End = piece.End };
                        continue;
                    }
                }

                if (pending is not null)
                {
                    writer.BeginRun(disk, pending.Start, pending.End);
                    ulong newest = 0;
                    var copied = 0;
                    foreach (var part in pending.Parts)
                    {
                        for (var i = 0; i < part.Versions; i++)
                        {
                            var version = part.Version(i);
                            if (version.Number <= newest)
                                throw new JournalDamagedException(directory.Path, -1, $"disk {disk}, bytes {pending.Start} to {pending.End}: the index has version {version.Number} after {newest}");
                            newest = version.Number;
                            writer.AddVersion(version);
                            if (++copied % VersionsPerStep == 0) yield return VersionsPerStep;
                        }
                    }

                    if (pending.Undo is { Kind: RecordKind.HandDown } handDown) startHeldFor = Math.Max(startHeldFor, handDown.Number);
                    writer.EndRun(pending.Undo);
                    yield return 1 + (copied % VersionsPerStep);
                }

                pending = piece;
                if (piece is null) break;
            }
        }

        writer.EndRuns();
        yield return 1;
        IndexFact? checkpoint = null;
        foreach (var fact in sources.SelectMany(s => s.Facts))
        {
            yield return 1 + (fact.EncodedHeader.Length / FactBytesPerUnit);
            if (bounds.IsVoid(fact)) continue;
            if (fact.Header.Kind == RecordKind.Checkpoint) checkpoint = fact;
            else writer.AddFact(fact);
        }

        if (checkpoint is not null) writer.AddFact(checkpoint);
        // Each piece of the rest is up to 64 KiB.
        foreach (var _ in writer.Finish(Segments(), startHeldFor, bounds.FirstNeeded)) yield return IndexLayout.PieceBytes / FactBytesPerUnit;
    }

    /// <summary>The next piece at or behind <paramref name="at"/> for which every layer has one answer; it may be empty. Null behind the last.</summary>
    private MergePiece? Next(long at)
    {
        var start = long.MaxValue;
        foreach (var cursor in cursors)
        {
            if (cursor.TryReach(at)) start = Math.Min(start, Math.Max(at, cursor.Run.Start));
        }

        if (start == long.MaxValue) return null;
        var end = long.MaxValue;
        var parts = new List<MergePart>();
        RecordRef? undo = null;
        foreach (var cursor in cursors)
        {
            if (!cursor.TryReach(at)) continue;
            var run = cursor.Run;
            end = Math.Min(end, run.Start > start ? run.Start : run.End);
            if (run.Start > start) continue;
            if (cursor.Part is { } part) parts.Add(part);
            undo = cursor.Undo ?? undo;
        }

        return new MergePiece(start, end, parts, undo);
    }

    /// <summary>One entry for each segment, what the newest layer says of it; one that two layers share is in both.</summary>
    private List<CoveredSegment> Segments()
    {
        var all = new SortedDictionary<ulong, CoveredSegment>();
        foreach (var segment in sources.SelectMany(s => s.Segments))
        {
            if (segment.Serial >= bounds.FirstNeeded) all[segment.Serial] = segment;
        }

        return [.. all.Values];
    }
}
