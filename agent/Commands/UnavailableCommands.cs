using VmRepl.Agent.Commands.Arguments;
using VmRepl.Agent.Output;

namespace VmRepl.Agent.Commands;

/// <summary>The commands of a build without agent and replica: each says so and fails.</summary>
internal sealed class UnavailableCommands : IVmReplCommands
{
    public Task<int> DemoAsync(DemoArguments arguments, CommandOutput output, CancellationToken cancellation) => throw Unavailable("demo");

    public Task<int> ReplicaAsync(ReplicaArguments arguments, CommandOutput output, CancellationToken cancellation) => throw Unavailable("replica");

    public Task<int> AgentAsync(AgentArguments arguments, CommandOutput output, CancellationToken cancellation) => throw Unavailable("agent");

    public Task<int> ProtectAsync(ProtectArguments arguments, CommandOutput output, CancellationToken cancellation) => throw Unavailable("protect");

    public Task<int> UnprotectAsync(GroupArguments arguments, CommandOutput output, CancellationToken cancellation) => throw Unavailable("unprotect");

    public Task<int> SyncAsync(GroupArguments arguments, CommandOutput output, CancellationToken cancellation) => throw Unavailable("sync");

    public Task<int> BookmarkAsync(BookmarkArguments arguments, CommandOutput output, CancellationToken cancellation) => throw Unavailable("bookmark");

    public Task<int> StatusAsync(StatusArguments arguments, CommandOutput output, CancellationToken cancellation) => throw Unavailable("status");

    public Task<int> PointsAsync(PointsArguments arguments, CommandOutput output, CancellationToken cancellation) => throw Unavailable("points");

    public Task<int> RestoreAsync(RestoreArguments arguments, CommandOutput output, CancellationToken cancellation) => throw Unavailable("restore-vm");

    private static CommandFailure Unavailable(string command) => new($"The command \"{command}\" is not available in this build.");
}
