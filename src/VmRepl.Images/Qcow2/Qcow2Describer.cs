using System.Globalization;

namespace VmRepl.Images.Qcow2;

/// <summary>What <c>image info</c> says about a QCOW2 image, by qemu-img's names.</summary>
internal static class Qcow2Describer
{
    public static ImageDescription Describe(Qcow2Header header) => new()
    {
        ClusterSize = header.ClusterSize,
        BackingFile = header.BackingFile,
        BackingFormat = header.Extensions.BackingFormat is { } name && ImageFormatNames.TryParse(name, out var format) ? format : null,
        Details = Details(header),
    };

    private static Dictionary<string, string> Details(Qcow2Header header)
    {
        var details = new Dictionary<string, string>
        {
            ["compat"] = header.Version == 2 ? "0.10" : "1.1",
            ["refcount-bits"] = (1 << header.RefcountOrder).ToString(CultureInfo.InvariantCulture),
            ["compression-type"] = header.Compression == Qcow2Compression.Zstd ? "zstd" : "zlib",
            ["snapshots"] = header.SnapshotCount.ToString(CultureInfo.InvariantCulture),
            ["bitmaps"] = header.Extensions.Bitmaps.Count.ToString(CultureInfo.InvariantCulture),
        };
        if (header.Version == 2) return details;
        details["lazy-refcounts"] = Truth((header.Compatible & Qcow2Layout.LazyRefcounts) != 0);
        details["corrupt"] = Truth(header.IsCorrupt);
        details["dirty"] = Truth(header.IsDirty);
        details["extended-l2"] = Truth(header.HasExtendedL2);
        if (!header.HasExternalData) return details;
        details["data-file"] = header.Extensions.DataFile ?? "";
        details["data-file-raw"] = Truth((header.Autoclear & Qcow2Layout.RawExternal) != 0);
        return details;
    }

    private static string Truth(bool value) => value ? "true" : "false";
}
