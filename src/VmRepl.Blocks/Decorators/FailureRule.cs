namespace VmRepl.Blocks.Decorators;

/// <summary>Which requests of a <see cref="FailingDevice"/> fail.</summary>
public sealed record FailureRule
{
    /// <summary>The kind of request; any where not said.</summary>
    public DeviceOperation? Operation { get; init; }

    /// <summary>Requests that touch this; flushes touch none. All requests where not said.</summary>
    public Extent? Range { get; init; }

    /// <summary>So many matching requests succeed first.</summary>
    public long After { get; init; }

    /// <summary>Share of the matching requests after those that fail, 0 to 1.</summary>
    public double Rate { get; init; } = 1;

    /// <summary>Makes what is thrown.</summary>
    public Func<Exception> Failure { get; init; } = () => new IOException("Input/output error");

    internal bool Matches(DeviceOperation operation, long offset, long length) =>
        (Operation is null || Operation == operation) && (Range is not { } range || !range.Intersect(new Extent(offset, length)).IsEmpty);
}
