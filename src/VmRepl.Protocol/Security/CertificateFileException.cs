namespace VmRepl.Protocol.Security;

/// <summary>A certificate, key or authority that was named cannot be used.</summary>
public sealed class CertificateFileException : Exception
{
    public CertificateFileException(string path, string problem, string hint, Exception? cause = null)
        : base($"{path}: {problem}", cause)
    {
        Path = path;
        Hint = hint;
    }

    public string Path { get; }

    /// <summary>The next step.</summary>
    public string Hint { get; }
}
