using VmRepl.Images;

namespace VmRepl.Clones.Matching;

/// <summary>A disk of a protected group.</summary>
/// <param name="Group">The group.</param>
/// <param name="Name">The disk's name in it.</param>
/// <param name="File">Full path of its image.</param>
/// <param name="Format">The image's format.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Allow">Directories that references inside the image may lead to.</param>
public sealed record ProtectedDisk(string Group, string Name, string File, ImageFormat Format, long Length, IReadOnlyList<string> Allow)
{
    /// <summary>Which replica keeps it, for comparison only.</summary>
    public string Replica { get; init; } = "";
}
