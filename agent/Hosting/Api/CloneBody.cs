namespace VmRepl.Agent.Hosting.Api;

/// <summary>Body of <c>POST /v1/groups/{group}/clones</c>.</summary>
internal sealed record CloneBody(string Name);
