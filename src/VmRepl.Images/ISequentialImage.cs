namespace VmRepl.Images;

/// <summary>
/// An image that can only be written from start to end, as a stream: each write begins at or behind the end of the one before it, what is passed over stays zeros, and nothing can be read back.
/// Until <see cref="Complete"/> was called the file is no image.
/// </summary>
public interface ISequentialImage : IDiskImage
{
    /// <summary>Writes what is still held back and the end of the file; nothing can be written after it.</summary>
    void Complete();
}
