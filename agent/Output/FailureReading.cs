using System.Net.Sockets;
using System.Security.Authentication;
using VmRepl.Hypervisors.Definitions;
using VmRepl.Hypervisors.Qemu;
using VmRepl.Images;
using VmRepl.Images.Opening;
using VmRepl.Images.Operations;
using VmRepl.Journal;
using VmRepl.Journal.Store;
using VmRepl.Journal.Views;
using VmRepl.Protocol;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Security;
using VmRepl.Replication;

namespace VmRepl.Agent.Output;

/// <summary>Turns what was thrown into what is said: the one place where exceptions become messages, hints and exit statuses.</summary>
internal static class FailureReading
{
    private const int UnixFileExists = 17, UnixTryAgain = 11, UnixNoSpace = 28;
    private const int WindowsFileExists = unchecked((int)0x80070050), WindowsAlreadyExists = unchecked((int)0x800700B7);
    private const int WindowsSharing = unchecked((int)0x80070020), WindowsLock = unchecked((int)0x80070021), WindowsDiskFull = unchecked((int)0x80070070);

    /// <summary>The next step where the other side cannot be reached, or ends the connection.</summary>
    public const string NotReached = "See whether the other side runs, the address is right, and both or neither are given certificates; its log says more.";

    /// <param name="group">The group that the command was about; used where the exception does not know it.</param>
    public static CommandFailure Read(Exception exception, string? group = null) => exception switch
    {
        CommandFailure { Group: null } f when group is not null => new(f.Message, f.Hint, group, f.ExitCode, f.InnerException),
        CommandFailure f => f,
        AggregateException { InnerExceptions.Count: 1 } a => Read(a.InnerException!, group),
        ReferenceRefusedException e => CommandFailure.Refused(e.Message, "Name the directory with --allow DIR if you trust the image and the file it leads to.", group, e),
        ImageFormatException e => new(e.Message, "The image is damaged, not what its name says, or of a kind that is not supported; nothing was read past this point.", group, cause: e),
        ShrinkRefusedException e => CommandFailure.Refused(e.Message + ".", "Give --shrink to make a disk shorter; what is cut off must hold nothing but zeros.", group, e),
        ReplicationException e => new(Sentence(e.Message), e.Hint is { Length: > 0 } hint ? hint : null, e.Group, e.IsRefusal ? ExitCode.Refused : ExitCode.Failed, e),
        StoreException e => new(Sentence(e.Message), e.Hint is { Length: > 0 } hint ? hint : null, group, cause: e),
        ViewClosedException e => new(Sentence(e.Message), e.Hint is { Length: > 0 } hint ? hint : null, group, cause: e),
        JournalDamagedException e => new($"The store is damaged: {e.Message}.", "Other points may be whole: vmrepl points lists them; look at the volume that the store lies on.", group, cause: e),
        RefusedException e => CommandFailure.Refused(Sentence(e.Message), e.Hint is { Length: > 0 } hint ? hint : null, group, e),
        PeerAuthenticationException e => CommandFailure.Refused(Sentence(e.Message), e.Hint, group, e),
        ProtocolException e => new($"The other side said what cannot be understood: {e.Message}.", "See whether both sides are of the same release.", group, cause: e),
        QemuException e => new(Sentence(e.Message), e.Hint, group, cause: e),
        DefinitionException e => new(Sentence(e.Message), "The definition is what protect --definition was given; mend it there and sync, or protect without one.", group, cause: e),
        OperationCanceledException e => new("Stopped before the work was done.", null, group, cause: e),
        FileNotFoundException e => new(e.FileName is { } name ? $"{name}: no such file." : e.Message, null, group, cause: e),
        DirectoryNotFoundException e => new(e.Message, "Look at the path: a directory of it does not exist.", group, cause: e),
        UnauthorizedAccessException e => new(e.Message, "Run the command as a user who may do this, or change the file's permissions.", group, cause: e),
        AuthenticationException e => CommandFailure.Refused(e.Message, "Look at --certificate, --key and --authority on both sides.", group, e),
        ConnectionLostException e => new(Sentence(e.Message), NotReached, group, cause: e),
        IOException e => ReadInputOutput(e, group),
        NotSupportedException e => new(e.Message, null, group, cause: e),
        SocketException e => new(e.Message, "See whether the other side runs and can be reached.", group, cause: e),
        _ => new($"Unexpected failure: {exception.GetType().Name}: {exception.Message}", "Set VMREPL_TRACE=1 to see where; this is a defect worth reporting.", group, cause: exception),
    };

    /// <summary>Messages of the layers below begin in lower case and end without a stop; on the terminal they stand alone.</summary>
    public static string Sentence(string message) => message.Length == 0 ? message : char.ToUpperInvariant(message[0]) + message[1..].TrimEnd('.') + ".";

    /// <summary>Whether it says that a file to be made is there already.</summary>
    public static bool MeansExists(Exception exception) => exception is IOException { HResult: UnixFileExists or WindowsFileExists or WindowsAlreadyExists };

    private static CommandFailure ReadInputOutput(IOException e, string? group) => e.HResult switch
    {
        UnixFileExists or WindowsFileExists or WindowsAlreadyExists => CommandFailure.Refused(e.Message, "Nothing is ever overwritten: remove it first, or choose another name.", group, e),
        UnixTryAgain or WindowsSharing or WindowsLock => CommandFailure.Refused(e.Message, "Another process has the file open: shut it down, or wait until it is done.", group, e),
        UnixNoSpace or WindowsDiskFull => new(e.Message, "The volume is full: free some space and repeat.", group, cause: e),
        _ => new(e.Message, null, group, cause: e),
    };
}
