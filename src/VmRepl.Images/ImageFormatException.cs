namespace VmRepl.Images;

/// <summary>An image file is corrupt, hostile or of an unsupported kind. Everything read from image files ends in contents or in this.</summary>
public sealed class ImageFormatException : Exception
{
    private ImageFormatException(string path, long offset, string field, string expected, string found, Exception? cause)
        : base($"{path}: {field}{(offset < 0 ? "" : $" at offset {offset}")}: must be {expected}, is {found}", cause)
    {
        Path = path;
        Offset = offset;
        Field = field;
        Expected = expected;
        Found = found;
    }

    /// <summary>The file, as it was opened.</summary>
    public string Path { get; }

    /// <summary>Byte offset in the file, or -1.</summary>
    public long Offset { get; }

    /// <summary>The field's name in the format's specification.</summary>
    public string Field { get; }

    /// <summary>What the field may be, as the rest of "must be".</summary>
    public string Expected { get; }

    /// <summary>What stands there, as the rest of "is".</summary>
    public string Found { get; }

    /// <summary>A field with a value that it must not have: the message says "must be …, is …".</summary>
    /// <param name="path">The file, as it was opened.</param>
    /// <param name="offset">Where in the file the field stands, in bytes; -1 where no single place is meant.</param>
    /// <param name="field">The field's name in the format's specification.</param>
    /// <param name="expected">What it may be: "2 or 3", "at most 6".</param>
    /// <param name="found">What it is.</param>
    public static ImageFormatException Mismatch(string path, long offset, string field, string expected, string found, Exception? cause = null) =>
        new(path, offset, field, expected, found, cause);
}
