using VmRepl.Images.Opening;
using VmRepl.Protocol.Messages;

namespace VmRepl.Replication.Source;

/// <summary>A clone that is to be brought over to the replica of the group whose clone it is.</summary>
/// <param name="Group">Its own group's name, by <see cref="Protocol.Names.CloneGroupName"/>. The same for each attempt.</param>
/// <param name="CloneOf">What it is a clone of.</param>
/// <param name="Disk">Its one disk, and what of the replica's it begins from.</param>
/// <param name="Allow">Directories that references inside the image may lead to, besides its own.</param>
/// <param name="Files">What is opened goes through here: the place to look that each file still is the one that was looked at.</param>
public sealed record CloneRequest(string Group, DeclaredClone CloneOf, SourceDisk Disk, IReadOnlyList<string> Allow, IImageFiles Files)
{
    /// <summary>Whether the seed is all of the clone: a point at which the disk held just what the clone holds. Then nothing is read here and nothing compared.</summary>
    public bool IsSeedWhole { get; init; }
}
