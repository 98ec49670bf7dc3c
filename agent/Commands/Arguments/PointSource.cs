namespace VmRepl.Agent.Commands.Arguments;

/// <summary>Where recovery points are read from.</summary>
public abstract record PointSource
{
    private PointSource()
    {
    }

    /// <summary>The running agent knows where they are.</summary>
    /// <param name="Socket">Path of its Unix socket.</param>
    public sealed record Agent(string Socket) : PointSource;

    /// <summary>A store's directory, read and never written; no process need run.</summary>
    /// <param name="Directory">Full path.</param>
    public sealed record Store(string Directory) : PointSource;

    /// <summary>A running replica.</summary>
    /// <param name="Certificates">Null for a plain connection.</param>
    public sealed record Replica(PeerAddress Address, CertificateFiles? Certificates) : PointSource;
}
