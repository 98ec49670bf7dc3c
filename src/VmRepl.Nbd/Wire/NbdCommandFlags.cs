namespace VmRepl.Nbd.Wire;

/// <summary>How a request is to be carried out.</summary>
[Flags]
internal enum NbdCommandFlags : ushort
{
    None = 0,

    /// <summary>Answered only when what it wrote is on stable storage.</summary>
    Fua = 1 << 0,

    /// <summary>A write of zeros is to leave the range allocated.</summary>
    NoHole = 1 << 1,

    /// <summary>A read is answered in one piece or not at all.</summary>
    DontFragment = 1 << 2,

    /// <summary>One extent of a block status is enough, and it may not pass the range.</summary>
    RequestOne = 1 << 3,

    /// <summary>A write of zeros fails at once where it would not be faster than a write.</summary>
    FastZero = 1 << 4,
}
