using VmRepl.Agent.Commands;
using VmRepl.Agent.Commands.Arguments;
using VmRepl.Agent.Output;

namespace VmRepl.Agent.Tests.Commands;

/// <summary>Takes down what each command was asked to do, and answers as told.</summary>
internal sealed class RecordingCommands(Func<object, int>? answer = null) : IVmReplCommands
{
    public object? Asked { get; private set; }

    public Task<int> DemoAsync(DemoArguments arguments, CommandOutput output, CancellationToken cancellation) => Take(arguments);

    public Task<int> ReplicaAsync(ReplicaArguments arguments, CommandOutput output, CancellationToken cancellation) => Take(arguments);

    public Task<int> AgentAsync(AgentArguments arguments, CommandOutput output, CancellationToken cancellation) => Take(arguments);

    public Task<int> ProtectAsync(ProtectArguments arguments, CommandOutput output, CancellationToken cancellation) => Take(arguments);

    public Task<int> UnprotectAsync(GroupArguments arguments, CommandOutput output, CancellationToken cancellation) => Take(("unprotect", arguments));

    public Task<int> ServeAsync(GroupArguments arguments, CommandOutput output, CancellationToken cancellation) => Take(("serve", arguments));

    public Task<int> WhyAsync(GroupArguments arguments, CommandOutput output, CancellationToken cancellation) => Take(("why", arguments));

    public Task<int> SyncAsync(GroupArguments arguments, CommandOutput output, CancellationToken cancellation) => Take(("sync", arguments));

    public Task<int> BookmarkAsync(BookmarkArguments arguments, CommandOutput output, CancellationToken cancellation) => Take(arguments);

    public Task<int> StatusAsync(StatusArguments arguments, CommandOutput output, CancellationToken cancellation) => Take(arguments);

    public Task<int> CloneAsync(CloneArguments arguments, CommandOutput output, CancellationToken cancellation) => Take(arguments);

    public Task<int> ClonesAsync(ClonesArguments arguments, CommandOutput output, CancellationToken cancellation) => Take(arguments);

    public Task<int> PointsAsync(PointsArguments arguments, CommandOutput output, CancellationToken cancellation) => Take(arguments);

    public Task<int> RestoreAsync(RestoreArguments arguments, CommandOutput output, CancellationToken cancellation) => Take(arguments);

    public Task<int> DiffPointsAsync(PointDiffArguments arguments, CommandOutput output, CancellationToken cancellation) => Take(arguments);

    public Task<int> AttachAsync(AttachArguments arguments, CommandOutput output, CancellationToken cancellation) => Take(arguments);

    public Task<int> DetachAsync(DetachArguments arguments, CommandOutput output, CancellationToken cancellation) => Take(arguments);

    public Task<int> TestFailoverAsync(TestFailoverArguments arguments, CommandOutput output, CancellationToken cancellation) => Take(arguments);

    public Task<int> RewindAsync(RewindArguments arguments, CommandOutput output, CancellationToken cancellation) => Take(arguments);

    public Task<int> ScrubAsync(ScrubArguments arguments, CommandOutput output, CancellationToken cancellation) => Take(arguments);

    private Task<int> Take(object asked)
    {
        Asked = asked;
        return Task.FromResult(answer?.Invoke(asked) ?? 0);
    }
}
