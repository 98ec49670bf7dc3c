namespace VmRepl.Nbd.Wire;

/// <summary>The kinds of facts about an export (answers to <see cref="NbdOption.Info"/> and <see cref="NbdOption.Go"/>).</summary>
internal enum NbdInfo : ushort
{
    /// <summary>Size (8 bytes) and transmission flags (2).</summary>
    Export = 0,
    Name = 1,
    Description = 2,

    /// <summary>Least, preferred and greatest request in bytes, 4 each.</summary>
    BlockSize = 3,
}
