namespace VmRepl.Images.Vhdx;

/// <summary>States of a payload block ([MS-VHDX] 2.5.1.1). Of the parent only <see cref="NotPresent"/> and <see cref="PartiallyPresent"/> speak.</summary>
internal enum PayloadState
{
    /// <summary>PAYLOAD_BLOCK_NOT_PRESENT: not in this file: the parent's, else zeros.</summary>
    NotPresent = 0,

    /// <summary>PAYLOAD_BLOCK_UNDEFINED: without defined contents; read as zeros, so that nothing stale is shown.</summary>
    Undefined = 1,

    /// <summary>PAYLOAD_BLOCK_ZERO: zeros, whatever the parent holds.</summary>
    Zero = 2,

    /// <summary>PAYLOAD_BLOCK_UNMAPPED: given back by the guest; read as zeros.</summary>
    Unmapped = 3,

    /// <summary>What drafts 0.95 and 1.00 of the format wrote for unmapped; reserved since.</summary>
    UnmappedDraft = 5,

    /// <summary>PAYLOAD_BLOCK_FULLY_PRESENT: all of it is in this file.</summary>
    FullyPresent = 6,

    /// <summary>PAYLOAD_BLOCK_PARTIALLY_PRESENT: sector by sector in this file or in the parent, by the chunk's sector bitmap (2.4.2).</summary>
    PartiallyPresent = 7,
}
