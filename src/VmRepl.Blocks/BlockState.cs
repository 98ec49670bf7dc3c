namespace VmRepl.Blocks;

/// <summary>What a range of a disk is made of. Five different answers, never folded into "allocated or not".</summary>
public enum BlockState
{
    /// <summary>Nothing in this file nor in any file behind it: reads as zeros and costs no space.</summary>
    Unallocated,

    /// <summary>Said to be zeros by the format (QCOW2 zero cluster, VHDX ZERO, VMDK zeroed grain); reads as zeros.</summary>
    Zero,

    /// <summary>Stored as is.</summary>
    Data,

    /// <summary>Stored compressed.</summary>
    Compressed,
}
