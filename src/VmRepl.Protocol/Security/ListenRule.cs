using System.Net;
using System.Net.Sockets;

namespace VmRepl.Protocol.Security;

/// <summary>Where a replica may listen: anywhere with certificates, without them only where nobody from outside can come.</summary>
public static class ListenRule
{
    /// <param name="endPoint">What would be listened on. A host name is never taken for loopback: what it stands for is decided elsewhere.</param>
    /// <param name="hasCertificates">Whether every peer will have to show a certificate of the configured authority.</param>
    /// <exception cref="UnsafeListenException">It is beyond loopback and there are no certificates.</exception>
    public static void Check(EndPoint endPoint, bool hasCertificates)
    {
        var isLocal = endPoint is UnixDomainSocketEndPoint || (endPoint is IPEndPoint address && IPAddress.IsLoopback(address.Address));
        if (hasCertificates || isLocal) return;
        throw new UnsafeListenException(
            $"refusing to listen on {Connections.SocketOptions.NameOf(endPoint)} without certificates: whoever reaches it could read and overwrite every protected disk",
            "Give --certificate, --key and --authority, or listen on 127.0.0.1 or [::1].");
    }
}
