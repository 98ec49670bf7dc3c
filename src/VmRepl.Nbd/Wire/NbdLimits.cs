namespace VmRepl.Nbd.Wire;

/// <summary>Bounds that both sides hold, whatever the other says.</summary>
internal static class NbdLimits
{
    /// <summary>Greatest payload of a request or an answer, bytes: what every client may rely on.</summary>
    public const int PayloadBytesMax = 32 << 20;

    /// <summary>Greatest export name, query or description, bytes of UTF-8.</summary>
    public const int TextBytesMax = 4096;

    /// <summary>Greatest data of one option or of one answer to one, bytes.</summary>
    public const int OptionBytesMax = 64 << 10;

    /// <summary>Options of one client.</summary>
    public const int OptionsMax = 1024;
}
