namespace VmRepl.Images.Vhd;

/// <summary>"Disk Type" of the footer; the other values are reserved.</summary>
internal enum VhdType
{
    /// <summary>The disk from the file's start on, and the footer ("Fixed Hard Disk Image").</summary>
    Fixed = 2,

    /// <summary>Blocks where they were written ("Dynamic Hard Disk Image").</summary>
    Dynamic = 3,

    /// <summary>Sectors where they were written, over a parent ("Differencing Hard Disk Image").</summary>
    Differencing = 4,
}
