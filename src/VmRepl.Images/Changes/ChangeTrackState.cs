namespace VmRepl.Images.Changes;

/// <summary>How far a record of changes can be believed. Only the first two are.</summary>
public enum ChangeTrackState
{
    /// <summary>Every write since the beginning is in it, up to now.</summary>
    Recording,

    /// <summary>Every write up to the moment when it was disabled is in it; later ones are not.</summary>
    Disabled,

    /// <summary>Somebody records into memory at this moment, or did and never wrote it down.</summary>
    InUse,

    /// <summary>The image itself says that it is out of date, or it is damaged.</summary>
    Inconsistent,

    /// <summary>Its layout is not public.</summary>
    NotInterpreted,
}
