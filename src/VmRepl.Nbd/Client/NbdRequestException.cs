using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Client;

/// <summary>The server answered one request with an error. The connection goes on.</summary>
/// <param name="peer">Who the server is, for messages.</param>
/// <param name="command">What was asked of it.</param>
/// <param name="offset">Where, bytes in the export; 0 for a flush.</param>
/// <param name="length">Bytes; 0 for a flush.</param>
/// <param name="sentence">What the server said about it, without control characters; may be empty.</param>
public sealed class NbdRequestException(string peer, string command, NbdError error, long offset, long length, string sentence)
    : IOException($"{peer}: {command} of {length} bytes at {offset} failed with {error}{(sentence.Length > 0 ? $": {sentence}" : "")}")
{
    /// <summary>One of the protocol's numbers; a number that it does not know is kept.</summary>
    public NbdError Error { get; } = error;

    /// <summary>Of the request as it was sent, which may be a part of the call's range.</summary>
    public long Offset { get; } = offset;

    public long Length { get; } = length;

    public string Sentence { get; } = sentence;
}
