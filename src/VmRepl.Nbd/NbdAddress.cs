using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace VmRepl.Nbd;

/// <summary>Where an NBD server listens: <c>HOST:PORT</c>, or a Unix socket.</summary>
public abstract record NbdAddress
{
    /// <summary>The URI of an export there, as libnbd and QEMU read it (NBD URI specification).</summary>
    /// <param name="isTls">Whether the server asks for TLS.</param>
    public abstract string Uri(string export, bool isTls = false);

    /// <summary>As <c>HOST:PORT</c> or <c>unix:PATH</c>.</summary>
    public abstract override string ToString();

    internal abstract Socket NewSocket();

    /// <summary>A host name that is no address stays one.</summary>
    public abstract EndPoint EndPoint { get; }

    private static string Escape(string export) => string.Join('/', export.Split('/').Select(System.Uri.EscapeDataString)).Replace("%40", "@", StringComparison.Ordinal);

    public sealed record Tcp(string Host, int Port) : NbdAddress
    {
        public override string Uri(string export, bool isTls = false) => $"{(isTls ? "nbds" : "nbd")}://{Bracketed}:{Port.ToString(CultureInfo.InvariantCulture)}/{Escape(export)}";

        public override string ToString() => $"{Bracketed}:{Port.ToString(CultureInfo.InvariantCulture)}";

        public override EndPoint EndPoint => IPAddress.TryParse(Host, out var address) ? new IPEndPoint(address, Port) : Host == "localhost" ? new IPEndPoint(IPAddress.Loopback, Port) : new DnsEndPoint(Host, Port);

        internal override Socket NewSocket() => EndPoint is IPEndPoint known ? new Socket(known.AddressFamily, SocketType.Stream, ProtocolType.Tcp) : new Socket(SocketType.Stream, ProtocolType.Tcp);

        private string Bracketed => Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]" : Host;
    }

    public sealed record Unix(string Path) : NbdAddress
    {
        public override string Uri(string export, bool isTls = false) => $"{(isTls ? "nbds" : "nbd")}+unix:///{Escape(export)}?socket={System.Uri.EscapeDataString(Path).Replace("%2F", "/", StringComparison.Ordinal)}";

        public override string ToString() => $"unix:{Path}";

        public override EndPoint EndPoint => new UnixDomainSocketEndPoint(Path);

        internal override Socket NewSocket() => new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    }
}
