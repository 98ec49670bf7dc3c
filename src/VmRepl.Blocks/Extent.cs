namespace VmRepl.Blocks;

/// <summary>A half-open range of bytes, [<see cref="Offset"/>, <see cref="End"/>). Both ends are non-negative and <see cref="End"/> does not overflow.</summary>
public readonly record struct Extent : IComparable<Extent>
{
    /// <param name="offset">First byte.</param>
    /// <param name="length">Number of bytes; zero is allowed and means empty.</param>
    /// <exception cref="ArgumentOutOfRangeException">Either is negative or the sum exceeds 2^63-1.</exception>
    public Extent(long offset, long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, long.MaxValue - offset);
        Offset = offset;
        Length = length;
    }

    public long Offset { get; }

    public long Length { get; }

    /// <summary>One past the last byte.</summary>
    public long End => Offset + Length;

    public bool IsEmpty => Length == 0;

    /// <summary>Makes an extent from its two ends; <paramref name="end"/> is exclusive.</summary>
    public static Extent FromEnds(long start, long end) => new(start, end - start);

    /// <summary>Whether there is a byte that is in both; an empty extent has none.</summary>
    public bool Overlaps(Extent other) => Math.Max(Offset, other.Offset) < Math.Min(End, other.End);

    public bool Contains(Extent other) => Offset <= other.Offset && other.End <= End;

    /// <summary>The common part, or an empty extent at the later start.</summary>
    public Extent Intersect(Extent other)
    {
        var start = Math.Max(Offset, other.Offset);
        return FromEnds(start, Math.Max(start, Math.Min(End, other.End)));
    }

    public int CompareTo(Extent other) => Offset != other.Offset ? Offset.CompareTo(other.Offset) : Length.CompareTo(other.Length);

    public override string ToString() => $"[{Offset}, {End})";

    public static bool operator <(Extent left, Extent right) => left.CompareTo(right) < 0;

    public static bool operator >(Extent left, Extent right) => left.CompareTo(right) > 0;

    public static bool operator <=(Extent left, Extent right) => left.CompareTo(right) <= 0;

    public static bool operator >=(Extent left, Extent right) => left.CompareTo(right) >= 0;
}
