namespace VmRepl.Images;

/// <summary>The names that the command line and the protocol use for the formats: qemu-img's, but for VHD, which it calls "vpc".</summary>
public static class ImageFormatNames
{
    private const string QemuVhd = "vpc";

    /// <summary>"raw", "qcow2", "vhdx", "vmdk" or "vhd": also the extension of a restored disk.</summary>
    public static string Name(this ImageFormat format) => format switch
    {
        ImageFormat.Raw => "raw",
        ImageFormat.Qcow2 => "qcow2",
        ImageFormat.Vhdx => "vhdx",
        ImageFormat.Vmdk => "vmdk",
        ImageFormat.Vhd => "vhd",
        _ => throw new ArgumentOutOfRangeException(nameof(format)),
    };

    /// <summary>QEMU's name, as it stands in an image that names a parent's format.</summary>
    public static string QemuName(this ImageFormat format) => format == ImageFormat.Vhd ? QemuVhd : format.Name();

    /// <summary>The format of that name; QEMU's name is taken too.</summary>
    public static bool TryParse(string name, out ImageFormat format)
    {
        foreach (var candidate in Enum.GetValues<ImageFormat>())
        {
            format = candidate;
            if (candidate.Name() == name || candidate.QemuName() == name) return true;
        }

        format = default;
        return false;
    }
}
