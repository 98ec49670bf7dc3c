using VmRepl.Blocks;

namespace VmRepl.Images.Changes;

/// <summary>
/// One record, kept by an image's own format, of what changed on the disk between two moments. Whoever wants an increment asks for <see cref="Changes"/>; where the record cannot be
/// believed that is refused with the reason, and the answer is to copy everything.
/// </summary>
public interface IChangeTrack
{
    /// <summary>A bitmap's name; the backing file's name for a layer; the tracking file's.</summary>
    string Name { get; }

    ChangeTrackKind Kind { get; }

    ChangeTrackState State { get; }

    /// <summary>Why <see cref="State"/> is not to be trusted, as the end of a sentence; null where it is.</summary>
    string? Problem { get; }

    /// <summary>Bytes of disk that are told apart; null where that is not known.</summary>
    long? Granularity { get; }

    /// <summary>
    /// What changed: in order, inside the disk, no two touching. A superset of what was written: whole granules, and what was written back to its former contents.
    /// </summary>
    /// <exception cref="ImageFormatException">The record is not to be trusted, or turns out damaged while it is read.</exception>
    IEnumerable<Extent> Changes();
}
