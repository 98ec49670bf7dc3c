namespace VmRepl.Images.Vhd;

/// <summary>"Disk Type" of the footer; the other values are reserved.</summary>
internal enum VhdType
{
    Fixed = 2,
    Dynamic = 3,
    Differencing = 4,
}
