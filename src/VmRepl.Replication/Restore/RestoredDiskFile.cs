using VmRepl.Images;

namespace VmRepl.Replication.Restore;

/// <summary>One disk that was restored.</summary>
/// <param name="Name">Name in the group.</param>
/// <param name="File">Full path.</param>
/// <param name="Format">Its container.</param>
/// <param name="Length">Bytes of the disk.</param>
/// <param name="Sha256">SHA-256 of the contents, zeros included, as read back from the file; lower-case hexadecimal.</param>
/// <param name="Writing">How long the contents took to be written and made durable; verifying them came on top.</param>
public sealed record RestoredDiskFile(string Name, string File, ImageFormat Format, long Length, string Sha256, TimeSpan Writing);
