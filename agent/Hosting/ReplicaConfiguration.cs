using Microsoft.Extensions.Configuration;
using VmRepl.Agent.Output;
using VmRepl.Journal;

namespace VmRepl.Agent.Hosting;

/// <summary>Reads the section <c>Journal</c>: <c>CapacityBytes</c>, <c>AgeMax</c> (a time span), <c>FreeBytesMin</c>.</summary>
internal static class ReplicaConfiguration
{
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
        };
        if (options.CapacityBytes < 4 * options.SegmentBytes) throw new CommandFailure($"Journal:CapacityBytes is {options.CapacityBytes}; at least {4 * options.SegmentBytes} bytes are needed.");
        if (options.AgeMax <= TimeSpan.Zero) throw new CommandFailure($"Journal:AgeMax is {options.AgeMax}; it has to be more than nothing.");
        if (options.FreeBytesMin < 0) throw new CommandFailure($"Journal:FreeBytesMin is {options.FreeBytesMin}; it cannot be less than 0.");
        return options;
    }
}
