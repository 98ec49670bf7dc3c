using System.Security.Cryptography.X509Certificates;

namespace VmRepl.Nbd.Server;

/// <summary>Who is connected.</summary>
/// <param name="Name">Its address, for messages.</param>
/// <param name="Certificate">What it showed, verified as the server's TLS options ask; null without TLS.</param>
public sealed record NbdPeer(string Name, X509Certificate2? Certificate);
