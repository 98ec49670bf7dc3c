using System.Globalization;
using VmRepl.Agent.Output;

namespace VmRepl.Agent.Commands.Arguments;

/// <summary>Which recovery point is wanted: the value of <c>--at</c>.</summary>
public abstract record PointChoice
{
    private PointChoice()
    {
    }

    /// <summary>The newest point.</summary>
    public sealed record Latest : PointChoice
    {
        public override string ToString() => "latest";
    }

    /// <summary>The newest point at or before a moment.</summary>
    public sealed record AtTime(DateTimeOffset Time) : PointChoice
    {
        public override string ToString() => IsoTime.Format(Time);
    }

    /// <summary>The newest point at or before a sequence.</summary>
    public sealed record AtSequence(ulong Sequence) : PointChoice
    {
        public override string ToString() => Sequence.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>The point of that bookmark.</summary>
    /// <param name="Time">
    /// What the name means as a moment, where it can be read as one ("2026-05-01" is a name and a date): to be used if no bookmark has the name.
    /// </param>
    public sealed record AtBookmark(string Name, DateTimeOffset? Time = null) : PointChoice
    {
        public override string ToString() => Name;
    }
}
