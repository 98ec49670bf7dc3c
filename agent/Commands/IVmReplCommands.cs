using VmRepl.Agent.Commands.Arguments;
using VmRepl.Agent.Output;

namespace VmRepl.Agent.Commands;

/// <summary>
/// What the commands do, apart from how they are written. Each returns an exit status of <see cref="ExitCode"/>; whatever it throws is put into words
/// at the edge, best of all a <see cref="CommandFailure"/>. The token is cancelled by SIGINT and SIGTERM.
/// </summary>
public interface IVmReplCommands
{
    Task<int> DemoAsync(DemoArguments arguments, CommandOutput output, CancellationToken cancellation);

    Task<int> ReplicaAsync(ReplicaArguments arguments, CommandOutput output, CancellationToken cancellation);

    Task<int> AgentAsync(AgentArguments arguments, CommandOutput output, CancellationToken cancellation);

    Task<int> ProtectAsync(ProtectArguments arguments, CommandOutput output, CancellationToken cancellation);

    Task<int> UnprotectAsync(GroupArguments arguments, CommandOutput output, CancellationToken cancellation);

    Task<int> ServeAsync(GroupArguments arguments, CommandOutput output, CancellationToken cancellation);

    Task<int> WhyAsync(GroupArguments arguments, CommandOutput output, CancellationToken cancellation);

    Task<int> SyncAsync(GroupArguments arguments, CommandOutput output, CancellationToken cancellation);

    Task<int> BookmarkAsync(BookmarkArguments arguments, CommandOutput output, CancellationToken cancellation);

    Task<int> StatusAsync(StatusArguments arguments, CommandOutput output, CancellationToken cancellation);

    Task<int> CloneAsync(CloneArguments arguments, CommandOutput output, CancellationToken cancellation);

    Task<int> ClonesAsync(ClonesArguments arguments, CommandOutput output, CancellationToken cancellation);

    Task<int> PointsAsync(PointsArguments arguments, CommandOutput output, CancellationToken cancellation);

    Task<int> RestoreAsync(RestoreArguments arguments, CommandOutput output, CancellationToken cancellation);

    Task<int> DiffPointsAsync(PointDiffArguments arguments, CommandOutput output, CancellationToken cancellation);

    Task<int> AttachAsync(AttachArguments arguments, CommandOutput output, CancellationToken cancellation);

    Task<int> DetachAsync(DetachArguments arguments, CommandOutput output, CancellationToken cancellation);

    Task<int> TestFailoverAsync(TestFailoverArguments arguments, CommandOutput output, CancellationToken cancellation);

    Task<int> RewindAsync(RewindArguments arguments, CommandOutput output, CancellationToken cancellation);

    Task<int> ScrubAsync(ScrubArguments arguments, CommandOutput output, CancellationToken cancellation);
}
