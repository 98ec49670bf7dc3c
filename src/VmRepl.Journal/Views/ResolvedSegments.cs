using VmRepl.Journal.Segments;

namespace VmRepl.Journal.Views;

/// <summary>The segments that the resolved chunks of a view name, by numbers of 15 bits, so that a part of a chunk is small. A segment that is retired keeps its number; nothing is read of it any more. Safe for concurrent use.</summary>
internal sealed class ResolvedSegments
{
    private const int Max = 1 << ResolvedPart.SegmentBits;

    private readonly Lock gate = new();
    private readonly Dictionary<SegmentFile, ushort> numbers = [];
    private SegmentFile[] segments = [];

    public SegmentFile this[int number] => Volatile.Read(ref segments)[number];

    /// <summary>False where there are no numbers left.</summary>
    public bool TryNumber(SegmentFile segment, out ushort number)
    {
        lock (gate)
        {
            if (numbers.TryGetValue(segment, out number)) return true;
            if (numbers.Count == Max) return false;
            number = (ushort)numbers.Count;
            // Whoever was given the number before finds it in the longer array too.
            var more = segments;
            if (number == more.Length) Array.Resize(ref more, Math.Max(16, 2 * more.Length));
            more[number] = segment;
            Volatile.Write(ref segments, more);
            numbers.Add(segment, number);
            return true;
        }
    }
}
