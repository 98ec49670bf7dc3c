namespace VmRepl.Images;

/// <summary>What the end of a file says of its format.</summary>
internal enum EndRecognition
{
    None,

    /// <summary>It is this format's; its first bytes may be damaged.</summary>
    Format,

    /// <summary>It is this format's, and the file begins with the disk itself: its first bytes are what a guest has written there.</summary>
    FormatBehindDisk,
}
