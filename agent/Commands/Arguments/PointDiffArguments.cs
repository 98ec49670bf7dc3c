using VmRepl.Images;

namespace VmRepl.Agent.Commands.Arguments;

/// <summary>What <c>vmrepl image diff --group</c> was given.</summary>
/// <param name="Disk">Null where the group has one disk only.</param>
/// <param name="Backing">An image with the disk's contents at <paramref name="Old"/>, which the overlay stands on.</param>
/// <param name="BackingFormat">Null to look at its first bytes.</param>
/// <param name="Target">The overlay to make.</param>
/// <param name="Allow">Directories that the references of <paramref name="Backing"/> may lead to.</param>
public sealed record PointDiffArguments(
    string Group, string? Disk, PointChoice Old, PointChoice New, string Backing, ImageFormat? BackingFormat, string Target, ImageFormat Format, IReadOnlyList<string> Allow, bool Flush, PointSource Source);
