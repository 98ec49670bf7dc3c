using Microsoft.Extensions.Logging;
using VmRepl.Agent.Commands.Arguments;
using VmRepl.Agent.Output;
using VmRepl.Protocol.Security;

namespace VmRepl.Agent.Hosting;

/// <summary>Reads the files of mutual TLS.</summary>
internal static class Certificates
{
    /// <summary>Null where none were given.</summary>
    /// <exception cref="CommandFailure">A file cannot be read, or they do not belong together.</exception>
    public static PeerCertificates? Load(CertificateFiles? files)
    {
        if (files is null) return null;
        try
        {
            return PeerCertificates.Load(files.Certificate, files.Key, files.Authority);
        }
        catch (CertificateFileException e)
        {
            throw CommandFailure.Refused(e.Message, e.Hint, cause: e);
        }
    }

    /// <summary>
    /// Says at the start what every peer would say later. It does not keep the host from starting: what needs no peer, such as commands on this host, goes on working,
    /// and it may be the clock that is wrong.
    /// </summary>
    public static void WarnIfInvalid(PeerCertificates? certificates, string role, ILogger log)
    {
        try
        {
            certificates?.EnsureValidAt(DateTimeOffset.UtcNow);
        }
        catch (CertificateFileException e)
        {
            HostLog.OwnCertificateInvalid(log, role, $"{e.Message}. {e.Hint}");
        }
    }
}
