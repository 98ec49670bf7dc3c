using VmRepl.Nbd;

namespace VmRepl.Hypervisors.Qemu;

/// <summary>A disk of the group, served by NBD and writable.</summary>
/// <param name="Name">The group's name of it.</param>
/// <param name="Address">Where it is served, without TLS.</param>
/// <param name="Export">The export's name there.</param>
public sealed record ExportedDisk(string Name, NbdAddress Address, string Export)
{
    /// <summary>From a URI as <c>vmrepl attach</c> prints it: <c>nbd://HOST:PORT/EXPORT</c> or <c>nbd+unix:///EXPORT?socket=PATH</c>.</summary>
    /// <exception cref="QemuException">It is no such URI.</exception>
    public static ExportedDisk FromUri(string name, string uri)
    {
        if (!Uri.TryCreate(uri, UriKind.Absolute, out var parsed)) throw Refused("it cannot be read");
        var export = Uri.UnescapeDataString(parsed.AbsolutePath.TrimStart('/'));
        switch (parsed.Scheme)
        {
            case "nbd":
                return new ExportedDisk(name, new NbdAddress.Tcp(parsed.Host.Trim('[', ']'), parsed.Port < 0 ? 10809 : parsed.Port), export);
            case "nbd+unix":
                const string key = "?socket=";
                if (!parsed.Query.StartsWith(key, StringComparison.Ordinal)) throw Refused("it names no socket");
                return new ExportedDisk(name, new NbdAddress.Unix(Uri.UnescapeDataString(parsed.Query[key.Length..])), export);
            default:
                throw Refused("a boot test takes nbd:// and nbd+unix://, without TLS");
        }

        QemuException Refused(string why) => new($"disk {name}: {uri}: {why}", "Serve the disks on a Unix socket of this host.");
    }
}
