namespace VmRepl.Images.Changes;

/// <summary>By what a format tells changes.</summary>
public enum ChangeTrackKind
{
    /// <summary>A persistent bitmap inside the image (QCOW2): what was written since it was made or cleared.</summary>
    Bitmap,

    /// <summary>What a differencing image of any format holds itself: what was written since it was put over its backing file.</summary>
    Layer,

    /// <summary>A tracking file beside the disk (VMDK): known to be there, and no more.</summary>
    File,
}
