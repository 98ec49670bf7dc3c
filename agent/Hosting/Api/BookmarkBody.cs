namespace VmRepl.Agent.Hosting.Api;

/// <summary>Body of <c>POST /v1/groups/{group}/bookmarks</c>.</summary>
internal sealed record BookmarkBody(string Name);
