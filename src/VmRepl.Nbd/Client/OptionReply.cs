using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Client;

/// <summary>One answer to an option.</summary>
internal readonly record struct OptionReply(NbdOptionReply Kind, byte[] Body)
{
    public bool IsError => ((uint)Kind & 0x80000000) != 0;

    /// <summary>For a message: the kind, and the server's sentence where there is one.</summary>
    public string Told => Body.Length == 0 ? $"{Kind}" : $"{Kind}, \"{ServerText.Of(Body)}\"";
}
