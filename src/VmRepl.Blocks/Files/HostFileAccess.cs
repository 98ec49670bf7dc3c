namespace VmRepl.Blocks.Files;

/// <summary>How a file is opened.</summary>
public enum HostFileAccess
{
    /// <summary>An existing file, to be read.</summary>
    Read,

    /// <summary>An existing file, to be read and written.</summary>
    ReadWrite,

    /// <summary>A new file; fails if the name exists.</summary>
    CreateNew,
}
