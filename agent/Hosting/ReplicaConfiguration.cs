using Microsoft.Extensions.Configuration;
using VmRepl.Agent.Output;
using VmRepl.Journal;
using VmRepl.Replication.Replica;

namespace VmRepl.Agent.Hosting;

/// <summary>What a replica reads from its configuration.</summary>
internal static class ReplicaConfiguration
{
    /// <summary>Reads the section <c>Journal</c>: <c>CapacityBytes</c>, <c>AgeMax</c> (a time span), <c>FreeBytesMin</c>, <c>ShareOldContents</c>, <c>ShareNewContents</c>.</summary>
    /// <exception cref="CommandFailure">A value is out of its range.</exception>
    public static JournalOptions Journal(IConfiguration configuration)
    {
        var section = configuration.GetSection("Journal");
        var options = new JournalOptions();
        options = options with
        {
            CapacityBytes = section.GetValue("CapacityBytes", options.CapacityBytes),
            AgeMax = section.GetValue("AgeMax", options.AgeMax),
            FreeBytesMin = section.GetValue("FreeBytesMin", options.FreeBytesMin),
            ShareOldContents = section.GetValue("ShareOldContents", options.ShareOldContents),
            ShareNewContents = section.GetValue("ShareNewContents", options.ShareNewContents),
        };
        if (options.CapacityBytes < 4 * options.SegmentBytes) throw new CommandFailure($"Journal:CapacityBytes is {options.CapacityBytes}; at least {4 * options.SegmentBytes} bytes are needed.");
        if (options.AgeMax <= TimeSpan.Zero) throw new CommandFailure($"Journal:AgeMax is {options.AgeMax}; it has to be more than nothing.");
        if (options.FreeBytesMin < 0) throw new CommandFailure($"Journal:FreeBytesMin is {options.FreeBytesMin}; it cannot be less than 0.");
        return options;
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
