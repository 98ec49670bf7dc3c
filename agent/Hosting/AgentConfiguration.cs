using Microsoft.Extensions.Configuration;
using VmRepl.Agent.Output;
using VmRepl.Replication.Source;

namespace VmRepl.Agent.Hosting;

/// <summary>Reads the section <c>Link</c>: <c>RetryFor</c>, <c>ConnectTimeout</c>, <c>SilenceMax</c>, <c>RoomFor</c>, all time spans.</summary>
internal static class AgentConfiguration
{
    /// <exception cref="CommandFailure">A value is out of its range.</exception>
    public static LinkOptions Link(IConfiguration configuration)
    {
        var section = configuration.GetSection("Link");
        var options = new LinkOptions();
        options = options with
        {
            RetryFor = Positive("RetryFor", options.RetryFor),
            ConnectTimeout = Positive("ConnectTimeout", options.ConnectTimeout),
            SilenceMax = Positive("SilenceMax", options.SilenceMax),
            RoomFor = Positive("RoomFor", options.RoomFor),
        };
        return options.SilenceMax > options.PingInterval ? options : options with { PingInterval = options.SilenceMax / 3 };

        TimeSpan Positive(string name, TimeSpan otherwise)
        {
            var value = section.GetValue(name, otherwise);
            return value > TimeSpan.Zero && value < TimeSpan.FromHours(24) ? value : throw new CommandFailure($"Link:{name} is {value}; it has to lie between 0 and 24 hours.");
        }
    }
}
