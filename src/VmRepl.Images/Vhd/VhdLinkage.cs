using VmRepl.Images.Opening;

namespace VmRepl.Images.Vhd;

/// <summary>
/// Opens the parent of a differencing disk and looks whether it is the one ("Identification of the Parent Hard Disk Image", "Modification of Parent Hard Disk Image").
/// <para>
/// The Unique Id must be the one that the child names. "Parent Time Stamp" is the parent's modification date, which programs take from two places: from the parent's own footer (ours), and from its
/// file's time of last write (Microsoft's, XenServer's), which does not survive a copy. So a parent whose footer is later than the child's note was made or written after the child,
/// for certain, and is refused; a file time that has moved on is a finding of a check. Zero says nothing.
/// </para>
/// </summary>
internal static class VhdLinkage
{
    /// <summary>File systems round times, FAT's to two seconds.</summary>
    private const long FileTimeToleranceSeconds = 2;

    /// <exception cref="ImageFormatException">There is no parent by that name, or it is not the one.</exception>
    /// <exception cref="ReferenceRefusedException">The policy forbids its name.</exception>
    public static VhdImage OpenParent(VhdStructure structure, ImageContext context)
    {
        var name = VhdParentName.Read(structure);
        var parent = (VhdImage)context.OpenParent(structure.File.File, name.Reference, ImageFormat.Vhd);
        try
        {
            var header = structure.Header;
            var at = (long)structure.Footers.Current.DataOffset;
            if (parent.UniqueId != header.ParentId) throw structure.File.Mismatch(at + 40, "Parent Unique ID", $"{parent.UniqueId}, which \"{name.Text}\" has", $"{header.ParentId}: it is another disk");
            if (header.ParentTimeStamp != 0 && parent.TimeStamp > header.ParentTimeStamp)
                throw structure.File.Mismatch(at + 56, "Parent Time Stamp", $"at least {parent.TimeStamp}, which the footer of \"{name.Text}\" has", $"{header.ParentTimeStamp}: it is another disk, or was written after this one was made");
            return parent;
        }
        catch
        {
            parent.Dispose();
            throw;
        }
    }

    /// <summary>Whether the time that a child notes is one that its parent has.</summary>
    public static bool IsKnownTime(VhdStructure child, VhdImage parent)
    {
        var noted = child.Header.ParentTimeStamp;
        if (noted == 0 || noted == parent.TimeStamp) return true;
        var written = DateTimeOffset.UnixEpoch.AddTicks(parent.Files[0].Identity.ModifiedNs / 100) - VhdLayout.Epoch;
        return Math.Abs(written.TotalSeconds - noted) <= FileTimeToleranceSeconds;
    }
}
