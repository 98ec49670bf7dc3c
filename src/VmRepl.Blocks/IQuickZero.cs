namespace VmRepl.Blocks;

/// <summary>A device that may also offer this: it says whether zeroing costs less than writing the zeros would. One that does not is taken to write them.</summary>
public interface IQuickZero
{
    /// <summary>Whether <see cref="IBlockDevice.Zero"/> of this range writes no contents.</summary>
    bool IsZeroQuick(long offset, long length);

    /// <summary>Whether <see cref="IBlockDevice.Punch"/> of this range writes no contents.</summary>
    bool IsPunchQuick(long offset, long length);
}
