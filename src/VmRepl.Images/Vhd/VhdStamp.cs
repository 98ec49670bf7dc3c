using VmRepl.Blocks;

namespace VmRepl.Images.Vhd;

/// <summary>
/// Moves the footer's "Time Stamp" on before the first change of a disk that was there before, durably: a child holds the parent's, and one that was made before no longer fits
/// ("Modification of Parent Hard Disk Image"). A footer that is damaged is made anew on the way. First the copy at the front, then the end: a crash leaves one of both sound, and no contents changed.
/// </summary>
internal sealed class VhdStamp(VhdFile file, VhdFooters footers, TimeProvider time, bool isNew)
{
    private readonly Lock gate = new();
    private volatile bool isMarked;

    /// <summary>Whether the file was made just now: no child can have noted its time.</summary>
    public bool IsNew => isNew;

    /// <summary>The footer as it is written from now on.</summary>
    public VhdFooter Footer { get; private set; } = footers.Current;

    /// <summary>Where the footer at the end lies, bytes. It moves when the disk grows.</summary>
    public long End { get; private set; } = footers.End;

    /// <summary>The present time as "Time Stamp" counts it.</summary>
    public static uint Now(TimeProvider time) => (uint)Math.Clamp((long)(time.GetUtcNow() - VhdLayout.Epoch).TotalSeconds, 0, uint.MaxValue);

    public void Mark()
    {
        if (isMarked || isNew) return;
        lock (gate)
        {
            if (isMarked) return;
            // One second more at least: the child may have been made within this one.
            Footer = Footer.At(Math.Max(Now(time), Footer.TimeStamp == uint.MaxValue ? uint.MaxValue : Footer.TimeStamp + 1));
            if (Footer.Type != VhdType.Fixed)
            {
                file.File.Write(0, Footer.Bytes);
                file.File.Flush();
            }

            if (!footers.IsEndSound) End = Sectors.AlignUp(End, VhdLayout.SectorBytes);
            file.File.Write(End, Footer.Bytes);
            file.File.Flush();
            isMarked = true;
        }
    }

    /// <summary>Writes the footer to a new place; blocks may lie up to there from then on.</summary>
    public void MoveTo(long end)
    {
        file.File.Write(end, Footer.Bytes);
        End = end;
    }
}
