namespace VmRepl.Journal.Views;

/// <summary>Where a part of a resolved chunk comes from.</summary>
internal enum ResolvedPartKind
{
    /// <summary>A payload of one chunk of checksums, of which place and checksum are in the part.</summary>
    Small,

    /// <summary>The live image.</summary>
    Live,

    /// <summary>Zeros or a hole.</summary>
    Zeros,

    /// <summary>Any other record: its reference is kept beside.</summary>
    Referred,
}
