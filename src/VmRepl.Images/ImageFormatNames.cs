namespace VmRepl.Images;

/// <summary>The names that the command line, the protocol and qemu-img use for the formats.</summary>
public static class ImageFormatNames
{
    /// <summary>"raw", "qcow2", "vhdx" or "vmdk": also the extension of a restored disk.</summary>
    public static string Name(this ImageFormat format) => format switch
    {
        ImageFormat.Raw => "raw",
        ImageFormat.Qcow2 => "qcow2",
        ImageFormat.Vhdx => "vhdx",
        ImageFormat.Vmdk => "vmdk",
        _ => throw new ArgumentOutOfRangeException(nameof(format)),
    };

    public static bool TryParse(string name, out ImageFormat format)
    {
        foreach (var candidate in Enum.GetValues<ImageFormat>())
        {
            format = candidate;
            if (candidate.Name() == name) return true;
        }

        format = default;
        return false;
    }
}
