using System.Buffers.Binary;
using System.Text;

namespace VmRepl.Images.Qcow2;

/// <summary>What the header extensions say (specification, "Header extensions": type 4, length 4, data, padding to a multiple of 8). Unknown ones are ignored, as the specification asks; nothing here rewrites them.</summary>
internal sealed record Qcow2Extensions
{
    private const int FeatureBytes = 48, BitmapsBytes = 24, NameBytesMax = 4096;

    /// <summary>0xe2792aca, "Backing file format name": the format of the backing file, which is never probed; null where there is none.</summary>
    public string? BackingFormat { get; init; }

    /// <summary>0x44415441, "External data file name"; null where there is none.</summary>
    public string? DataFile { get; init; }

    /// <summary>0x23852875, "Bitmaps extension": number of persistent bitmaps, their directory's bytes and its place.</summary>
    public (int Count, long DirectoryBytes, long DirectoryOffset) Bitmaps { get; init; }

    /// <summary>0x6803f857, "Feature name table": names of incompatible features by bit, as the file gives them.</summary>
    public IReadOnlyDictionary<int, string> FeatureNames { get; init; } = new Dictionary<int, string>();

    /// <param name="cluster">The first cluster, as far as the file has it.</param>
    /// <param name="start">Where the header ends.</param>
    /// <param name="end">Where the backing file's name begins, or the cluster ends.</param>
    public static Qcow2Extensions Parse(string path, ReadOnlySpan<byte> cluster, int start, int end)
    {
        var found = new Qcow2Extensions();
        var at = start;
        while (at + 8 <= end)
        {
            if (at + 8 > cluster.Length) throw ImageFormatException.Mismatch(path, at, "header extension", "of 8 bytes at least", $"cut: the file ends at {cluster.Length}");
            var type = BinaryPrimitives.ReadUInt32BigEndian(cluster[at..]);
            var length = BinaryPrimitives.ReadUInt32BigEndian(cluster[(at + 4)..]);
            if (type == 0) break;
            var from = at + 8;
            if (length > end - from || from + (int)length > cluster.Length)
                throw ImageFormatException.Mismatch(path, at + 4, "header extension length", $"at most {Math.Min(end, cluster.Length) - from}, up to the end of the header extensions", $"{length}");
            found = found.With(path, type, cluster.Slice(from, (int)length), from);
            at = from + (((int)length + 7) & ~7);
        }

        return found;
    }

    private Qcow2Extensions With(string path, uint type, ReadOnlySpan<byte> data, int at) => type switch
    {
        Qcow2Layout.BackingFormatExtension => this with { BackingFormat = Text(path, data, at, "backing format") },
        Qcow2Layout.DataFileExtension => this with { DataFile = Text(path, data, at, "data file name") },
        Qcow2Layout.FeatureNamesExtension => this with { FeatureNames = Features(data) },
        Qcow2Layout.BitmapsExtension => this with { Bitmaps = ParseBitmaps(path, data, at) },
        _ => this,
    };

    internal static string Text(string path, ReadOnlySpan<byte> data, int at, string field)
    {
        // The cluster may have 2 MiB, and the text stays as long as the image is open.
        if (data.Length > NameBytesMax) throw ImageFormatException.Mismatch(path, at - 4, $"{field} length", $"at most {NameBytesMax} bytes, which no name has more of", $"{data.Length}");
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(data);
        }
        catch (DecoderFallbackException e)
        {
            throw ImageFormatException.Mismatch(path, at, field, "UTF-8 text", "something else", e);
        }
    }

    private static Dictionary<int, string> Features(ReadOnlySpan<byte> data)
    {
        var names = new Dictionary<int, string>();
        for (; data.Length >= FeatureBytes; data = data[FeatureBytes..])
        {
            if (data[0] != 0) continue;
            var name = data[2..FeatureBytes];
            var end = name.IndexOf((byte)0);
            names[data[1]] = Encoding.ASCII.GetString(end < 0 ? name : name[..end]);
        }

        return names;
    }

    private static (int Count, long Bytes, long Offset) ParseBitmaps(string path, ReadOnlySpan<byte> data, int at)
    {
        if (data.Length != BitmapsBytes) throw ImageFormatException.Mismatch(path, at - 4, "bitmaps extension length", $"{BitmapsBytes}", $"{data.Length}");
        var count = BinaryPrimitives.ReadUInt32BigEndian(data);
        if (count > Qcow2Layout.BitmapsMax) throw ImageFormatException.Mismatch(path, at, "nb_bitmaps", $"at most {Qcow2Layout.BitmapsMax}", $"{count}");
        return ((int)count, BinaryPrimitives.ReadInt64BigEndian(data[8..]), BinaryPrimitives.ReadInt64BigEndian(data[16..]));
    }
}
