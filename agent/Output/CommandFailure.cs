using System.Diagnostics.CodeAnalysis;

namespace VmRepl.Agent.Output;

/// <summary>A command ends without having done its work, for a reason its user can act on.</summary>
/// <param name="message">What happened, in one sentence that names the group or file and the cause.</param>
/// <param name="hint">The next step, in one sentence; null where there is none.</param>
/// <param name="group">The protection group concerned, or null.</param>
/// <param name="exitCode">One of <see cref="ExitCode"/>.</param>
[SuppressMessage("Naming", "CA1710", Justification = "It is the failure of a command as its user sees it; that it travels as an exception is beside the point.")]
public sealed class CommandFailure(string message, string? hint = null, string? group = null, int exitCode = ExitCode.Failed, Exception? cause = null)
    : Exception(message, cause)
{
    public string? Hint { get; } = hint;

    public string? Group { get; } = group;

    public int ExitCode { get; } = exitCode;

    /// <summary>Refused because it is unsafe: exit status 3.</summary>
    public static CommandFailure Refused(string message, string? hint = null, string? group = null, Exception? cause = null) =>
        new(message, hint, group, Output.ExitCode.Refused, cause);
}
