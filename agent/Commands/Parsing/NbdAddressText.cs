using System.Diagnostics.CodeAnalysis;
using System.Text;
using VmRepl.Nbd;

namespace VmRepl.Agent.Commands.Parsing;

/// <summary>Reads where NBD is served: HOST:PORT, or unix:PATH.</summary>
internal static class NbdAddressText
{
    private const string UnixPrefix = "unix:";

    // What a Unix socket's address holds, less the zero byte at its end.
    private const int PathBytesMax = 107;

    public static bool TryParse(string text, [NotNullWhen(true)] out NbdAddress? address, [NotNullWhen(false)] out string? problem)
    {
        address = null;
        if (text.StartsWith(UnixPrefix, StringComparison.Ordinal))
        {
            var path = text[UnixPrefix.Length..];
            problem = path.Length == 0 || path.Contains('\0', StringComparison.Ordinal) ? "the path of the socket is empty." : null;
            if (problem is not null) return false;
            path = Path.GetFullPath(path);
            problem = Encoding.UTF8.GetByteCount(path) > PathBytesMax ? $"\"{path}\" is longer than the {PathBytesMax} bytes that the path of a Unix socket may have." : null;
            if (problem is not null) return false;
            address = new NbdAddress.Unix(path);
            return true;
        }

        if (!AddressText.TryParse(text, anyPort: true, out var tcp, out problem)) return false;
        address = new NbdAddress.Tcp(tcp.Host, tcp.Port);
        return true;
    }
}
