using Microsoft.Extensions.Configuration;
using VmRepl.Agent.Output;
using VmRepl.Images.Opening;
using VmRepl.Replication.Source;
using VmRepl.Replication.Source.Following;

namespace VmRepl.Agent.Hosting;

/// <summary>
/// Reads <c>Agent:CloneDirectories</c>; reads the section <c>Link</c>: <c>RetryFor</c>, <c>ConnectTimeout</c>, <c>SilenceMax</c>, <c>RoomFor</c>, all time spans; and <c>Follow</c>: <c>BufferBytes</c>, <c>SemiSyncLagBytes</c> (bytes),
/// <c>GatherFor</c>, <c>Lease</c>, <c>SemiSyncWait</c>, <c>GoneAfter</c>, <c>AnchorEvery</c> (time spans).
/// </summary>
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

        TimeSpan Positive(string name, TimeSpan otherwise) => Span(section, name, otherwise);
    }

    /// <exception cref="CommandFailure">A value is out of its range.</exception>
    public static FollowOptions Follow(IConfiguration configuration)
    {
        var section = configuration.GetSection("Follow");
        var options = new FollowOptions();
        return options with
        {
            BufferBytes = Bytes("BufferBytes", options.BufferBytes),
            SemiSyncLagBytes = Bytes("SemiSyncLagBytes", options.SemiSyncLagBytes),
            GatherFor = Span(section, "GatherFor", options.GatherFor),
            Lease = Span(section, "Lease", options.Lease),
            SemiSyncWait = Span(section, "SemiSyncWait", options.SemiSyncWait),
            GoneAfter = Span(section, "GoneAfter", options.GoneAfter),
            AnchorEvery = Span(section, "AnchorEvery", options.AnchorEvery),
        };

        long Bytes(string name, long otherwise)
        {
            var value = section.GetValue(name, otherwise);
            return value is >= 4 << 20 and <= 1L << 40 ? value : throw new CommandFailure($"Follow:{name} is {value}; it has to lie between 4 MiB and 1 TiB.");
        }
    }

    /// <summary>Directories that clones are dropped into, links on the way to them resolved.</summary>
    /// <param name="given">Directories of the command line, in addition.</param>
    /// <param name="state">The agent's own directory, which is no place for them.</param>
    /// <exception cref="CommandFailure">A directory is not there, or holds the agent's state or lies in it.</exception>
    public static IReadOnlyList<string> CloneDirectories(IConfiguration configuration, IReadOnlyList<string> given, string state)
    {
        var own = ReferencePolicy.ResolveDirectory(state);
        var directories = (configuration.GetSection("Agent:CloneDirectories").Get<string[]>() ?? []).Concat(given).Select(ReferencePolicy.ResolveDirectory).Distinct(StringComparer.Ordinal).ToList();
        foreach (var directory in directories)
        {
            if (!Directory.Exists(directory)) throw new CommandFailure($"Clones are to be dropped into {directory} (--clones, Agent:CloneDirectories), which is no directory.");
            if (IsBelow(directory, own) || IsBelow(own, directory)) throw new CommandFailure($"Clones are to be dropped into {directory} (--clones, Agent:CloneDirectories), and the agent's state is {state}: the one must not hold the other.");
        }

        return directories;

        static bool IsBelow(string path, string directory) => path == directory || path.StartsWith(directory.TrimEnd('/') + "/", StringComparison.Ordinal);
    }

    private static TimeSpan Span(IConfigurationSection section, string name, TimeSpan otherwise)
    {
        var value = section.GetValue(name, otherwise);
        return value > TimeSpan.Zero && value < TimeSpan.FromHours(24) ? value : throw new CommandFailure($"{section.Key}:{name} is {value}; it has to lie between 0 and 24 hours.");
    }
}
