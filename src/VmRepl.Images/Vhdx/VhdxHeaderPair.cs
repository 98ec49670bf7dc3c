using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vhdx;

/// <summary>
/// The two headers of a file ([MS-VHDX] 2.2.2), of which the valid one with the higher sequence counts.
/// An update writes the other one, makes it durable, and then brings the first up to it: a crash at any write leaves one whole header, old or new.
/// </summary>
internal sealed class VhdxHeaderPair
{
    private readonly IHostFile file;
    private int currentIndex;

    private VhdxHeaderPair(IHostFile file, VhdxHeader current, int currentIndex)
    {
        this.file = file;
        Current = current;
        this.currentIndex = currentIndex;
    }

    public VhdxHeader Current { get; private set; }

    /// <summary>Reads both headers and takes the current one.</summary>
    /// <exception cref="ImageFormatException">Neither is whole, both claim to be current with different contents, or the version is unknown.</exception>
    public static VhdxHeaderPair Read(VhdxFile file)
    {
        var identifier = new byte[VhdxLayout.FileSignature.Length];
        file.Read(0, identifier, "file identifier");
        if (!identifier.AsSpan().SequenceEqual(VhdxLayout.FileSignature)) throw file.Mismatch(0, "file identifier", "\"vhdxfile\"", Convert.ToHexStringLower(identifier));
        var raw = new byte[2][];
        var parsed = new VhdxHeader?[2];
        for (var i = 0; i < 2; i++)
        {
            raw[i] = new byte[VhdxLayout.HeaderBytes];
            file.Read(VhdxLayout.HeaderOffsets[i], raw[i], $"header {i + 1}");
            parsed[i] = VhdxHeader.TryParse(raw[i]);
        }

        if (parsed[0] is null && parsed[1] is null) throw file.Mismatch(VhdxLayout.HeaderOffsets[0], "headers", "two, one of them with signature and checksum", "none");
        // Disk2vhd writes two identical headers; two different ones of one sequence leave no way to choose.
        if (parsed[0] is not null && parsed[1] is not null && parsed[0]!.Sequence == parsed[1]!.Sequence && !raw[0].AsSpan().SequenceEqual(raw[1]))
            throw file.Mismatch(VhdxLayout.HeaderOffsets[0], "headers", "of different sequence where they differ", $"both of {parsed[0]!.Sequence}");
        var index = parsed[1] is null || (parsed[0] is not null && parsed[0]!.Sequence >= parsed[1]!.Sequence) ? 0 : 1;
        var current = parsed[index]!;
        Validate(file, current, VhdxLayout.HeaderOffsets[index]);
        return new VhdxHeaderPair(file.File, current, index);
    }

    /// <summary>Refuses to write a file whose sequence could not go on: only somebody who put it there gets it near its end.</summary>
    /// <exception cref="ImageFormatException">The sequence is within 2^32 of the highest there is.</exception>
    public void RequireUpdatable(VhdxFile of)
    {
        if (Current.Sequence > ulong.MaxValue - uint.MaxValue)
            throw of.Mismatch(VhdxLayout.HeaderOffsets[currentIndex] + 8, "SequenceNumber", $"at most {ulong.MaxValue - uint.MaxValue}, so that updates can follow", $"{Current.Sequence}: the file is only read");
    }

    /// <summary>Replaces the header by <paramref name="next"/>, whose sequence is set here. Durable when it returns.</summary>
    public void Update(VhdxHeader next)
    {
        for (var copy = 0; copy < 2; copy++)
        {
            next = next with { Sequence = checked(Current.Sequence + 1) };
            var other = 1 - currentIndex;
            file.Write(VhdxLayout.HeaderOffsets[other], next.ToBytes());
            file.Flush();
            (Current, currentIndex) = (next, other);
        }
    }

    private static void Validate(VhdxFile file, VhdxHeader header, long at)
    {
        if (header.Version != 1) throw file.Mismatch(at + 66, "Version", "1", $"{header.Version}");
        if (header.LogGuid != Guid.Empty && header.LogVersion != 0) throw file.Mismatch(at + 64, "LogVersion", "0", $"{header.LogVersion}");
        if (header.LogLength % VhdxLayout.MiB != 0) throw file.Mismatch(at + 68, "LogLength", "a multiple of 1 MiB", $"{header.LogLength}");
        if (header.LogLength > VhdxLayout.LogBytesMax && header.LogGuid != Guid.Empty)
            throw file.Mismatch(at + 68, "LogLength", $"at most {VhdxLayout.LogBytesMax} for a log that is in use", $"{header.LogLength}");
        if (header.LogLength == 0 && header.LogGuid != Guid.Empty) throw file.Mismatch(at + 68, "LogLength", "above 0 for a log that is in use", "0");
        if (header.LogLength == 0) return;
        if (header.LogOffset < VhdxLayout.MiB || header.LogOffset % VhdxLayout.MiB != 0) throw file.Mismatch(at + 72, "LogOffset", "a multiple of 1 MiB from 1 MiB on", $"{header.LogOffset}");
        if (header.LogOffset > (ulong)file.Length || header.LogLength > (ulong)file.Length - header.LogOffset)
            throw file.Mismatch(at + 72, "LogOffset", $"for {header.LogLength} bytes before the file's end at {file.Length}", $"{header.LogOffset}");
    }
}
