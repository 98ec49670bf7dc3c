namespace VmRepl.Nbd.Wire;

/// <summary>The constants by which each message of the protocol begins. Source of everything in this folder: the NBD protocol, <c>doc/proto.md</c> of NetworkBlockDevice/nbd. All numbers are big-endian.</summary>
internal static class NbdMagic
{
    /// <summary>First eight bytes of a server: "NBDMAGIC".</summary>
    public const ulong Server = 0x4e42444d41474943;

    /// <summary>"IHAVEOPT": the second eight of a newstyle server, and what each option of a client begins with.</summary>
    public const ulong Option = 0x49484156454F5054;

    /// <summary>The second eight of an oldstyle server, which we do not speak.</summary>
    public const ulong Oldstyle = 0x0000420281861253;

    public const ulong OptionReply = 0x0003e889045565a9;

    public const uint Request = 0x25609513;

    public const uint SimpleReply = 0x67446698;

    public const uint StructuredReply = 0x668e33ef;
}
