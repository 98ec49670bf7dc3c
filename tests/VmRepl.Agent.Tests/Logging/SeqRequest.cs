namespace VmRepl.Agent.Tests.Logging;

/// <summary>One request as <see cref="SeqServer"/> saw it.</summary>
internal sealed record SeqRequest(string Method, string Path, string? ApiKey, string? ContentType, string Body, int Status);
