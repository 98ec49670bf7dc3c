namespace VmRepl.Agent.Commands.Arguments;

/// <summary><c>vmrepl bookmark</c>.</summary>
/// <param name="Name">Obeys <see cref="Protocol.Names.NameRule.IsValidBookmark"/>.</param>
/// <param name="Socket">The agent's Unix socket.</param>
public sealed record BookmarkArguments(string Group, string Name, string Socket);
