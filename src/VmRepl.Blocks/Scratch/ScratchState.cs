namespace VmRepl.Blocks.Scratch;

/// <summary>Where a unit of a <see cref="ScratchDevice"/> is to be found. The values are what <see cref="ScratchMap"/> keeps, in two bits.</summary>
internal enum ScratchState
{
    /// <summary>Nobody wrote it: the device below holds it.</summary>
    Below = 0,

    /// <summary>In the scratch file.</summary>
    Data = 1,

    /// <summary>Zeroed. What the scratch file holds there means nothing.</summary>
    Zero = 2,

    /// <summary>Punched. What the scratch file holds there means nothing.</summary>
    Hole = 3,
}
