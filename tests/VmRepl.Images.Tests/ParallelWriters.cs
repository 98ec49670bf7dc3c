namespace VmRepl.Images.Tests;

/// <summary>Four writers of one disk, each in its own part, who flush in between and read back what they wrote.</summary>
internal static class ParallelWriters
{
    private const int Writers = 4, PieceBytes = 100_000, FlushEvery = 1_000_000;

    /// <summary>Writes the whole disk; returns what it must hold then.</summary>
    public static byte[] Write(IDiskImage image)
    {
        var part = (int)(image.Length / Writers);
        Parallel.For(0, Writers, new ParallelOptions { MaxDegreeOfParallelism = Writers }, i =>
        {
            var bytes = DiskContents.Random(i, part);
            for (var at = 0; at < part; at += PieceBytes)
            {
                image.Write((i * (long)part) + at, bytes.AsSpan(at, Math.Min(PieceBytes, part - at)));
                if (at % FlushEvery == 0) image.Flush();
            }

            var back = new byte[part];
            image.Read(i * (long)part, back);
            back.MustBe(bytes);
        });
        return [.. Enumerable.Range(0, Writers).SelectMany(i => DiskContents.Random(i, part))];
    }
}
