using Microsoft.Extensions.Configuration;
using VmRepl.Agent.Commands.Arguments;
using VmRepl.Agent.Output;
using VmRepl.Images.Opening;
using VmRepl.Journal;
using VmRepl.Replication.Replica;
using VmRepl.Replication.Replica.Seeds;

namespace VmRepl.Agent.Hosting;

/// <summary>What a replica reads from its configuration.</summary>
internal static class ReplicaConfiguration
{
    private const long SmallestSegmentBytes = 2L << 20, IndexMemoryMin = 1L << 20;

    // So many segments at least: one is retired at a time, and one is being filled.
    private const int SegmentsMin = 4, SegmentsWanted = 8;

    /// <summary>Reads the section <c>Journal</c>: <c>CapacityBytes</c>, <c>AgeMax</c> (a time span), <c>FreeBytesMin</c>, <c>ShareOldContents</c>, <c>ShareNewContents</c>. A small capacity gets small segments.</summary>
    /// <param name="arguments">Goes before what is configured; null for nothing.</param>
    /// <exception cref="CommandFailure">A value is out of its range.</exception>
    public static JournalOptions Journal(IConfiguration configuration, JournalArguments? arguments = null)
    {
        var section = configuration.GetSection("Journal");
        var options = new JournalOptions();
        options = options with
        {
            CapacityBytes = arguments?.CapacityBytes ?? section.GetValue("CapacityBytes", options.CapacityBytes),
            AgeMax = arguments?.AgeMax ?? section.GetValue("AgeMax", options.AgeMax),
            FreeBytesMin = arguments?.FreeBytesMin ?? section.GetValue("FreeBytesMin", options.FreeBytesMin),
            ShareOldContents = section.GetValue("ShareOldContents", options.ShareOldContents),
            ShareNewContents = section.GetValue("ShareNewContents", options.ShareNewContents),
        };
        if (options.CapacityBytes < SegmentsMin * SmallestSegmentBytes)
            throw new CommandFailure($"The journal's capacity (--journal-capacity, Journal:CapacityBytes) is {options.CapacityBytes} bytes; at least {SegmentsMin * SmallestSegmentBytes} are needed.");
        if (options.AgeMax <= TimeSpan.Zero) throw new CommandFailure($"The age of points (--journal-age, Journal:AgeMax) is {options.AgeMax}; it has to be more than nothing.");
        options = options with { SegmentBytes = SegmentBytes(options) };
        if (options.FreeBytesMin < options.SegmentBytes)
            throw new CommandFailure($"The reserve (--journal-reserve, Journal:FreeBytesMin) is {options.FreeBytesMin} bytes; retirement itself may need {options.SegmentBytes}, and so much has to be kept.");
        return options;
    }

    /// <summary>Reads <c>Journal:IndexMemoryBytes</c>: the cap on the memory of all indexes of the store.</summary>
    /// <exception cref="CommandFailure">It is out of its range.</exception>
    public static long IndexMemoryBytes(IConfiguration configuration, long otherwise)
    {
        var bytes = configuration.GetSection("Journal").GetValue("IndexMemoryBytes", otherwise);
        return bytes >= IndexMemoryMin ? bytes : throw new CommandFailure($"Journal:IndexMemoryBytes is {bytes}; at least {IndexMemoryMin} are needed.");
    }

    private static long SegmentBytes(JournalOptions options)
    {
        var bytes = options.SegmentBytes;
        while (bytes > SmallestSegmentBytes && bytes > options.CapacityBytes / SegmentsWanted) bytes /= 2;
        return bytes;
    }

    /// <summary>Reads <c>Replica:SeedDirectories</c>: where seeds may lie.</summary>
    /// <param name="given">Directories of the command line, in addition.</param>
    /// <param name="store">The store's directory: whoever may protect a group could read another's contents by a seed that lies in there.</param>
    /// <exception cref="CommandFailure">A directory is not there, or holds the store or lies in it.</exception>
    public static SeedDirectories Seeds(IConfiguration configuration, IReadOnlyList<string> given, string store)
    {
        var directories = (configuration.GetSection("Replica:SeedDirectories").Get<string[]>() ?? []).Concat(given).Select(Path.GetFullPath).Distinct(StringComparer.Ordinal).ToList();
        var own = ReferencePolicy.ResolveDirectory(store);
        foreach (var directory in directories)
        {
            if (!Directory.Exists(directory)) throw new CommandFailure($"Seeds may lie in {directory} (--seeds, Replica:SeedDirectories), which is no directory.");
            var real = ReferencePolicy.ResolveDirectory(directory);
            if (IsBelow(real, own) || IsBelow(own, real)) throw new CommandFailure($"Seeds may lie in {directory} (--seeds, Replica:SeedDirectories), and the store is {store}: the one must not hold the other.");
        }

        return new SeedDirectories(directories);

        static bool IsBelow(string path, string directory) => path == directory || path.StartsWith(directory.TrimEnd('/') + "/", StringComparison.Ordinal);
    }

    /// <summary>Reads the section <c>Scrub</c>: <c>BytesPerSecond</c>, <c>Interval</c> (a time span).</summary>
    /// <exception cref="CommandFailure">A value is out of its range.</exception>
    public static ScrubSchedule Scrub(IConfiguration configuration)
    {
        var section = configuration.GetSection("Scrub");
        var schedule = new ScrubSchedule();
        schedule = schedule with { BytesPerSecond = section.GetValue("BytesPerSecond", schedule.BytesPerSecond), Interval = section.GetValue("Interval", schedule.Interval) };
        if (schedule.BytesPerSecond < 0) throw new CommandFailure($"Scrub:BytesPerSecond is {schedule.BytesPerSecond}; it cannot be less than 0, which turns it off.");
        if (schedule.Interval < TimeSpan.FromSeconds(1) || schedule.Interval > TimeSpan.FromDays(366))
            throw new CommandFailure($"Scrub:Interval is {schedule.Interval}; it has to lie between a second and 366 days.");
        return schedule;
    }
}
