namespace VmRepl.Agent.Commands.Arguments;

/// <summary><c>vmrepl agent</c>.</summary>
/// <param name="State">Full path of the directory of the agent's own state.</param>
/// <param name="Socket">Full path of the Unix socket to listen on.</param>
/// <param name="ConfigFile">Full path of the configuration, or null.</param>
/// <param name="Certificates">Null to connect without TLS.</param>
public sealed record AgentArguments(string State, string Socket, string? ConfigFile, CertificateFiles? Certificates)
{
    /// <summary>Directories that clones are dropped into, beside the configuration's.</summary>
    public IReadOnlyList<string> CloneDirectories { get; init; } = [];
}
