namespace VmRepl.Images.Vhd;

/// <summary>Looks at both footers (one that is sound is enough: a cut write can leave the other torn), at every entry of the table ("Block Allocation Table and Data Blocks"), at space that nothing names, and at what is known of the parent's age.</summary>
internal static class VhdCheck
{
    private const int FindingsMax = 100;

    public static IEnumerable<ImageFinding> Run(VhdStructure structure, BlockTable table, VhdImage? parent)
    {
        var path = structure.File.File.Path;
        if (!structure.Footers.IsEndSound) yield return new ImageFinding(false, $"{path}: the footer at the end is damaged or missing; its copy at the front is sound, and the next writer mends it");
        if (structure.Footers.Front is null) yield return new ImageFinding(false, $"{path}: the copy of the footer at the front is damaged; the footer at the end is sound, and the next writer mends it");
        else if (!structure.Footers.Front.IsLike(structure.Footers.Current)) yield return new ImageFinding(false, $"{path}: the footer at the end and its copy at the front are sound and differ, as after a change of size that was cut; the one at the end counts");
        var damaged = 0L;
        for (long block = 0; block < structure.Blocks; block++)
        {
            if (table.IsDamaged(block) && damaged++ < FindingsMax) yield return new ImageFinding(true, table.Fault(block).Message);
        }

        if (damaged > FindingsMax) yield return new ImageFinding(true, $"{path}: {damaged - FindingsMax} more entries of the block allocation table are damaged");
        if (damaged == 0 && table.Gaps().Where(g => g.Length >= structure.BitmapBytes + structure.BlockSize).Sum(g => g.Length) is > 0 and var gaps) yield return new ImageFinding(false, $"{path}: {gaps} bytes of the file are used by nothing");
        if (parent is not null && !VhdLinkage.IsKnownTime(structure, parent))
            yield return new ImageFinding(false, $"{path}: its Parent Time Stamp is neither {parent.Files[0].Path}'s own nor the time at which that file was last written: it was copied, or written by a program that leaves no trace");
    }
}
