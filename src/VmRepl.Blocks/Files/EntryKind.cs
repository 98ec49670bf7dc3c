namespace VmRepl.Blocks.Files;

/// <summary>What a name in a directory stands for.</summary>
public enum EntryKind
{
    /// <summary>It went away, or cannot be examined: a name that is no UTF-8 cannot be.</summary>
    Unknown,
    File,
    Directory,
    SymbolicLink,

    /// <summary>A device, a pipe or a socket.</summary>
    Special,
}
