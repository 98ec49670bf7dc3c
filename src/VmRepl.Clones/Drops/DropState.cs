namespace VmRepl.Clones.Drops;

/// <summary>How far one version of a file in a drop directory has come.</summary>
public enum DropState
{
    /// <summary>It is not complete yet, or could not be looked at; it will be looked at again.</summary>
    Waiting,

    /// <summary>It is a clone, and on its way to the replica.</summary>
    Copying,

    /// <summary>The replica has all of it, durably.</summary>
    Protected,

    /// <summary>It is no disk image, or not a clone of anything protected. It stays where it is and is looked at again only when it changes.</summary>
    Quarantined,

    /// <summary>It was protected, and is not in the directory any more: removed, or another version took its place. The replica keeps it.</summary>
    Gone,
}
