using VmRepl.Journal.Index;
using VmRepl.Journal.Points;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Metadata;

/// <summary>
/// The key/value pairs of a group through the recovery range. A value of no bytes means that the key is not there.
/// Not safe for concurrent use; the journal's index lock covers it.
/// </summary>
internal sealed class MetadataIndex
{
    // For each key its records in order; the first may be one handed down, which holds at the start of the range.
    private readonly SortedDictionary<string, List<StoredValue>> histories = new(StringComparer.Ordinal);

    /// <summary>Adds a record of the stream.</summary>
    public void AddVersion(StoredValue record) => History(record).Add(record);

    /// <summary>Sets what a key held at the start of the range; it goes before everything else.</summary>
    public void SetBase(StoredValue handedDown)
    {
        var history = History(handedDown);
        history.RemoveAll(r => At(r) <= handedDown.Header.Undoes);
        history.Insert(0, handedDown);
    }

    /// <summary>The records that hold the values as of <paramref name="point"/>, by key.</summary>
    public IEnumerable<(string Key, StoredValue Record)> Resolve(ulong point)
    {
        foreach (var (key, history) in histories)
        {
            if (history.FindLast(r => At(r) <= point) is { } record && HasValue(record)) yield return (key, record);
        }
    }

    /// <summary>The values that stand in a part of a segment's records area.</summary>
    public IEnumerable<(string Key, RecordRef Value)> In(ulong serial, long from, long to) =>
        histories.SelectMany(h => h.Value.Where(v => v.Ref.Serial == serial && v.Ref.HeaderOffset >= from && v.Ref.HeaderOffset < to).Select(v => (h.Key, v.Ref)));

    /// <summary>The first and the last sequence as of which this record of <paramref name="key"/> holds its value; null where it is void.</summary>
    public (ulong First, ulong Last)? RangeOf(string key, RecordRef record)
    {
        if (!histories.TryGetValue(key, out var history)) return null;
        var i = history.FindIndex(r => r.Ref.Serial == record.Serial && r.Ref.HeaderOffset == record.HeaderOffset);
        return i < 0 ? null : (At(history[i]), i + 1 < history.Count ? At(history[i + 1]) - 1 : ulong.MaxValue);
    }

    /// <summary>Forgets what lies before the newest value at the new start.</summary>
    public void Retire(ulong start)
    {
        foreach (var (key, history) in histories.ToList())
        {
            var newest = history.FindLastIndex(r => At(r) <= start);
            if (newest > 0) history.RemoveRange(0, newest);
            if (history.Count == 1 && !HasValue(history[0]) && newest >= 0) histories.Remove(key);
        }
    }

    /// <summary>One that is damaged was there, whatever it was.</summary>
    private static bool HasValue(StoredValue record) => record.Ref.PayloadLength > 0 || record.Header.Content == RecordContent.Damaged;

    /// <summary>Where in the order a record stands: a handed-down one at the start that it holds for.</summary>
    private static ulong At(StoredValue record) => record.Header.Sequence != 0 ? record.Header.Sequence : record.Header.Undoes;

    private List<StoredValue> History(StoredValue record)
    {
        var key = record.Header.Attributes?.GetValueOrDefault(RecordAttribute.Key) ?? "";
        if (!histories.TryGetValue(key, out var history)) histories[key] = history = [];
        return history;
    }
}
