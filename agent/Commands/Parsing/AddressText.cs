using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using VmRepl.Agent.Commands.Arguments;

namespace VmRepl.Agent.Commands.Parsing;

/// <summary>Reads HOST:PORT, where HOST is a name, an IPv4 address, or an IPv6 address in brackets.</summary>
internal static class AddressText
{
    private const int HostLengthMax = 255;

    /// <param name="anyPort">Whether port 0, "any free one", is meant to be said.</param>
    public static bool TryParse(string text, bool anyPort, [NotNullWhen(true)] out PeerAddress? address, [NotNullWhen(false)] out string? problem)
    {
        address = null;
        var colon = text.LastIndexOf(':');
        if (colon <= 0 || (text.AsSpan(0, colon).Contains(':') && !(text[0] == '[' && text[colon - 1] == ']')))
        {
            problem = $"\"{text}\" is not of the form HOST:PORT (an IPv6 address stands in brackets: [::1]:7000).";
            return false;
        }

        var host = text[..colon];
        if (host[0] == '[')
        {
            host = host.TrimStart('[').TrimEnd(']');
            if (!IPAddress.TryParse(host, out var ip) || ip.AddressFamily != AddressFamily.InterNetworkV6)
            {
                problem = $"\"{host}\" is no IPv6 address.";
                return false;
            }
        }
        else if (host.Length > HostLengthMax || Uri.CheckHostName(host) is UriHostNameType.Unknown)
        {
            problem = $"\"{host}\" is neither a host's name nor an address.";
            return false;
        }

        if (!ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) || (port == 0 && !anyPort))
        {
            problem = $"\"{text[(colon + 1)..]}\" is no port: {(anyPort ? 0 : 1)} to 65535.";
            return false;
        }

        address = new PeerAddress(host, port);
        problem = null;
        return true;
    }
}
