namespace VmRepl.Hypervisors.Qmp;

/// <summary>QEMU refused a command, broke the protocol, went away, or did not answer in time.</summary>
/// <param name="kind">QEMU's error class such as <c>GenericError</c> or <c>CommandNotFound</c>; null where QEMU gave no answer, and the connection is of no more use.</param>
public sealed class QmpException(string? kind, string message, Exception? cause = null) : IOException(message, cause)
{
    public string? Kind { get; } = kind;
}
