namespace VmRepl.Nbd.Server;

/// <summary>What a server offers, by name. Called from many threads.</summary>
public interface INbdExports
{
    /// <summary>The names to tell a client that asks for the list: those it may open. What can be opened may be more.</summary>
    IReadOnlyList<string> Names(NbdPeer peer);

    /// <summary>Opens one for one client; closed when the client is gone.</summary>
    /// <param name="name">As the client gave it: at most 4096 bytes of UTF-8, otherwise anything.</param>
    /// <exception cref="NbdRefusedException">There is none of this name, or not for this client; the sentence goes to it.</exception>
    INbdExport Open(string name, NbdPeer peer);
}
