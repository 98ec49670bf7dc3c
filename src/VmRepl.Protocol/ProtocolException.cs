namespace VmRepl.Protocol;

/// <summary>What was read from a peer or a store is corrupt, hostile or of an unsupported kind. Everything this project decodes ends in a value or in this.</summary>
public sealed class ProtocolException : Exception
{
    /// <param name="field">What was being read, in the words of docs/protocol.md; empty where the reader was not told.</param>
    /// <param name="offset">Where it begins, in bytes from the start of what was being decoded; -1 where no single place is meant.</param>
    /// <param name="expected">What would have been right.</param>
    /// <param name="found">What was there.</param>
    public ProtocolException(string field, long offset, string expected, string found, Exception? cause = null)
        : base(Describe(field, offset, expected, found), cause)
    {
        Field = field;
        Offset = offset;
        Expected = expected;
        Found = found;
    }

    public string Field { get; }

    /// <summary>Byte offset in what was being decoded, or -1.</summary>
    public long Offset { get; }

    public string Expected { get; }

    public string Found { get; }

    /// <summary>Whether the bytes ended before the value did: a torn tail looks like this, and so does a length that lies.</summary>
    public bool IsTruncated { get; init; }

    private static string Describe(string field, long offset, string expected, string found)
    {
        var name = field.Length == 0 ? "value" : field;
        return offset < 0
            ? $"{name}: expected {expected}, found {found}"
            : $"{name} at offset {offset}: expected {expected}, found {found}";
    }
}
