using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Client;

/// <summary>The server answered one request with an error. The connection goes on.</summary>
public sealed class NbdRequestException : IOException
{
    internal NbdRequestException(string peer, NbdCommand command, long offset, long length, NbdError error, string said)
        : base($"{peer}: {command} of {length} bytes at {offset} failed: {error}{(said.Length > 0 ? $" ({said})" : "")}")
    {
        Error = error;
        Offset = offset;
        Length = length;
    }

    public NbdError Error { get; }

    /// <summary>Bytes, in the export.</summary>
    public long Offset { get; }

    public long Length { get; }
}
