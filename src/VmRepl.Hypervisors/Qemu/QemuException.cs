namespace VmRepl.Hypervisors.Qemu;

/// <summary>QEMU is not here, cannot do what is asked, or ended before it was ready.</summary>
public sealed class QemuException(string message, string hint, Exception? cause = null) : Exception(message, cause)
{
    /// <summary>What to do about it, as a whole sentence.</summary>
    public string Hint { get; } = hint;
}
