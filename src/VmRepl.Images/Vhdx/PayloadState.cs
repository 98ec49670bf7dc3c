namespace VmRepl.Images.Vhdx;

/// <summary>States of a payload block ([MS-VHDX] 2.5.1.1). Of the parent only <see cref="NotPresent"/> and <see cref="PartiallyPresent"/> speak.</summary>
internal enum PayloadState
{
    /// <summary>Not in this file: the parent's, else zeros.</summary>
    NotPresent = 0,

    /// <summary>Without defined contents; read as zeros, so that nothing stale is shown.</summary>
    Undefined = 1,

    Zero = 2,

    /// <summary>Given back by the guest; read as zeros.</summary>
    Unmapped = 3,

    /// <summary>What drafts 0.95 and 1.00 wrote for unmapped.</summary>
    UnmappedDraft = 5,

    FullyPresent = 6,

    /// <summary>Sector by sector in this file or in the parent, by the chunk's sector bitmap.</summary>
    PartiallyPresent = 7,
}
