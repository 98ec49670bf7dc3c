namespace VmRepl.Images;

/// <summary>A write needs more room than the image's own numbers can name, or its file already ends where they do. Nothing of the host failed; another format or a larger cluster would do.</summary>
public sealed class ImageFullException(string message) : IOException(message);
