namespace VmRepl.Images;

/// <summary>An image file is corrupt, hostile or of an unsupported kind. Everything read from image files ends in contents or in this.</summary>
public sealed class ImageFormatException : Exception
{
    /// <param name="path">The file, as it was opened.</param>
    /// <param name="offset">Where in the file the field stands, in bytes; -1 where no single place is meant.</param>
    /// <param name="field">The field's name in the format's specification.</param>
    /// <param name="problem">What was expected and what was found, as the end of a sentence.</param>
    public ImageFormatException(string path, long offset, string field, string problem, Exception? cause = null)
        : base(offset < 0 ? $"{path}: {field}: {problem}" : $"{path}: {field} at offset {offset}: {problem}", cause)
    {
        Path = path;
        Offset = offset;
        Field = field;
    }

    private ImageFormatException(string path, long offset, string field, string expected, string found, Exception? cause)
        : this(path, offset, field, $"must be {expected}, is {found}", cause)
    {
        Expected = expected;
        Found = found;
    }

    public string Path { get; }

    /// <summary>Byte offset in the file, or -1.</summary>
    public long Offset { get; }

    public string Field { get; }

    /// <summary>What the field may be, where it is one value against others; null where the fault is none of a single value, and then the message alone says it.</summary>
    public string? Expected { get; }

    /// <summary>What stands there; null where <see cref="Expected"/> is.</summary>
    public string? Found { get; }

    /// <summary>A field with a value that it must not have: the message says "must be …, is …".</summary>
    /// <param name="path">The file, as it was opened.</param>
    /// <param name="offset">Where in the file the field stands, in bytes; -1 where no single place is meant.</param>
    /// <param name="field">The field's name in the format's specification.</param>
    /// <param name="expected">What it may be: "2 or 3", "at most 6".</param>
    /// <param name="found">What it is.</param>
    public static ImageFormatException Mismatch(string path, long offset, string field, string expected, string found, Exception? cause = null) =>
        new(path, offset, field, expected, found, cause);
}
