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
}
