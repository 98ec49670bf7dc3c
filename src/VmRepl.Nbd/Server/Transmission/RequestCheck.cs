using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Server;

/// <summary>
/// The one place where a request is compared with what the export can do. What passes lies inside the device, asks for nothing that was not offered, and writes nowhere that must not be written:
/// no device has to look again.
/// </summary>
internal sealed class RequestCheck(ExportFacts facts, bool hasStructuredReplies, bool hasContexts)
{
    /// <returns><see cref="NbdError.None"/> and no reason where the request may go on.</returns>
    public (NbdError Error, string? Reason) Check(in NbdRequest request)
    {
        if (request.Command > NbdCommand.BlockStatus) return (NbdError.Invalid, "the command is unknown");
        if ((request.Flags & ~Allowed(request.Command)) is not NbdCommandFlags.None and var unknown) return (NbdError.Invalid, $"the flags 0x{(ushort)unknown:x} have no place here");
        if (request.Command == NbdCommand.Flush)
            return request is { Offset: 0, Length: 0 } ? (NbdError.None, null) : (NbdError.Invalid, "a flush has neither offset nor length");
        var writes = request.Command is NbdCommand.Write or NbdCommand.Trim or NbdCommand.WriteZeroes;
        if (writes && facts.IsReadOnly) return (NbdError.NotPermitted, "the export is read-only");
        if (request.Offset > (ulong)facts.Length || request.Length > (ulong)facts.Length - request.Offset)
            return (request.Command is NbdCommand.Write or NbdCommand.WriteZeroes ? NbdError.NoSpace : NbdError.Invalid, $"it lies outside the export of {facts.Length} bytes");
        if (request.Command is NbdCommand.Read or NbdCommand.Write && request.Length > NbdLimits.PayloadBytesMax)
            return (NbdError.Invalid, $"{NbdLimits.PayloadBytesMax} bytes are the most");
        if (request.Command == NbdCommand.BlockStatus && !hasContexts) return (NbdError.Invalid, "no context was chosen");
        if (request.Command == NbdCommand.BlockStatus && request.Length == 0) return (NbdError.Invalid, "a status of no bytes");
        return (NbdError.None, null);
    }

    private NbdCommandFlags Allowed(NbdCommand command) => NbdCommandFlags.Fua | command switch
    {
        NbdCommand.Read when hasStructuredReplies => NbdCommandFlags.DontFragment,
        NbdCommand.WriteZeroes => NbdCommandFlags.NoHole | NbdCommandFlags.FastZero,
        NbdCommand.BlockStatus => NbdCommandFlags.RequestOne,
        _ => NbdCommandFlags.None,
    };
}
