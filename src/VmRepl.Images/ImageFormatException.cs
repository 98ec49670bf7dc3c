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

    public string Path { get; }

    /// <summary>Byte offset in the file, or -1.</summary>
    public long Offset { get; }

    public string Field { get; }
}
