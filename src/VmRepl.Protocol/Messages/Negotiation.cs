namespace VmRepl.Protocol.Messages;

/// <summary>How two sides that were not built on the same day agree (docs/protocol.md, "Negotiation").</summary>
public static class Negotiation
{
    /// <summary>The newest version in both ranges, whose ends are inclusive; null where they have none in common.</summary>
    public static int? ChooseVersion(int localMin, int localMax, int remoteMin, int remoteMax)
    {
        var newest = Math.Min(localMax, remoteMax);
        return newest >= Math.Max(localMin, remoteMin) ? newest : null;
    }

    /// <summary>What both name, each once, in ordinal order.</summary>
    public static string[] CommonCapabilities(IEnumerable<string> local, IEnumerable<string> remote) =>
        [.. local.Intersect(remote, StringComparer.Ordinal).Order(StringComparer.Ordinal)];
}
