using VmRepl.Images;

namespace VmRepl.Replication.Source;

/// <summary>A file at the replica that a disk's baseline begins from.</summary>
/// <param name="File">Its path at the replica, as it was given.</param>
/// <param name="Format">Its format; null for the replica to probe.</param>
public sealed record SourceSeed(string File, ImageFormat? Format);
