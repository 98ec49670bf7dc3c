namespace VmRepl.Protocol.Messages;

/// <summary>Why something was refused, as a word that programs compare. A code that is not known is shown as it is.</summary>
public static class RefusalCode
{
    /// <summary>No version is spoken by both.</summary>
    public const string Version = "version";

    /// <summary>The certificate is missing, expired or not of this replica's authority.</summary>
    public const string Certificate = "certificate";

    /// <summary>The certificate does not name the group.</summary>
    public const string NotAllowed = "not-allowed";

    /// <summary>There is no such group.</summary>
    public const string UnknownGroup = "unknown-group";

    /// <summary>The group's name belongs to another source.</summary>
    public const string GroupTaken = "group-taken";

    /// <summary>The group's disks are not those that were declared before.</summary>
    public const string DisksDiffer = "disks-differ";

    /// <summary>The group has changed hands since.</summary>
    public const string StaleEpoch = "stale-epoch";

    /// <summary>Another connection has the group open.</summary>
    public const string Busy = "busy";

    /// <summary>There is no such point, or none at or before that time.</summary>
    public const string UnknownPoint = "unknown-point";

    /// <summary>There is no such view or disk, or the range lies outside it.</summary>
    public const string OutOfRange = "out-of-range";

    /// <summary>The bookmark's name is taken.</summary>
    public const string BookmarkTaken = "bookmark-taken";

    /// <summary>The store's volume is full.</summary>
    public const string NoSpace = "no-space";

    /// <summary>A seed is not taken: it lies where this replica takes none from, or cannot be read.</summary>
    public const string SeedRefused = "seed-refused";

    /// <summary>The view was closed under its reader, since it held what had to be retired.</summary>
    public const string ViewClosed = "view-closed";

    /// <summary>The store holds something that does not verify.</summary>
    public const string Damaged = "damaged";

    /// <summary>A record's sequence does not follow what the replica has.</summary>
    public const string OutOfOrder = "out-of-order";

    /// <summary>The peer did not keep to the protocol.</summary>
    public const string Protocol = "protocol";

    /// <summary>The replica is going down.</summary>
    public const string ShuttingDown = "shutting-down";

    /// <summary>The store could not be read or written.</summary>
    public const string Storage = "storage";
}
