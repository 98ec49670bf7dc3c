namespace VmRepl.Agent.Commands.Arguments;

/// <summary>The files of mutual TLS, all PEM; full paths.</summary>
/// <param name="Certificate">Our certificate.</param>
/// <param name="Key">Its private key.</param>
/// <param name="Authority">The authority that the other side's certificate must come from.</param>
public sealed record CertificateFiles(string Certificate, string Key, string Authority);
