using VmRepl.Images;

namespace VmRepl.Agent.Commands.Arguments;

/// <summary>One disk of a group to protect.</summary>
/// <param name="Name">Its name in the group; obeys <see cref="Protocol.Names.NameRule"/>.</param>
/// <param name="File">Full path of its image.</param>
/// <param name="Format">The format given, or null to probe.</param>
public sealed record DiskArgument(string Name, string File, ImageFormat? Format);
