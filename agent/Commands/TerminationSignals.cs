using System.Runtime.InteropServices;

namespace VmRepl.Agent.Commands;

/// <summary>SIGINT and SIGTERM ask the command to stop cleanly; a second one ends the process as it would have without this.</summary>
internal sealed class TerminationSignals : IDisposable
{
    private readonly CancellationTokenSource stopping = new();
    private readonly PosixSignalRegistration[] registrations;
    private int seen;

    public TerminationSignals() =>
        registrations = [PosixSignalRegistration.Create(PosixSignal.SIGINT, Handle), PosixSignalRegistration.Create(PosixSignal.SIGTERM, Handle)];

    public CancellationToken Token => stopping.Token;

    public void Dispose()
    {
        foreach (var registration in registrations) registration.Dispose();
        stopping.Dispose();
    }

    private void Handle(PosixSignalContext context)
    {
        if (Interlocked.Increment(ref seen) > 1) return;
        context.Cancel = true;
        stopping.Cancel();
    }
}
