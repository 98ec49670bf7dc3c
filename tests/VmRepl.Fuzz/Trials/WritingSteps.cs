using VmRepl.Fuzz.Storage;
using VmRepl.Images;
using VmRepl.Images.Opening;
using VmRepl.Images.Operations;
using VmRepl.Simulation.Storage;

namespace VmRepl.Fuzz.Trials;

/// <summary>Writes into a copy of a mutant that lets itself be opened for it, and asks whether what was written is there, at once and after the image was opened again.</summary>
internal sealed class WritingSteps(Trial trial, FuzzDirectory directory, SeededRandom random, Func<string, ImageOpenOptions, IDiskImage> open)
{
    private readonly List<(long Offset, byte[] Bytes)> written = [];
    private readonly List<string> done = [];

    public void Run(string path, ImageOpenOptions options)
    {
        IDiskImage? image = null;
        if (!trial.Try("open to write", () => image = open(path, options with { Files = directory, Writable = true })) || image is null) return;
        trial.Result.IsOpenedToWrite = true;
        var isSound = true;
        for (var left = random.Between(1, 6); left > 0 && isSound; left--) isSound = Change(image);
        isSound = trial.Try("close after writing", image.Dispose) && isSound;
        if (!isSound || directory.WasFull) return;
        IDiskImage? again = null;
        string? refusal = null;
        trial.Try("open what was written", () => again = open(path, options with { Files = directory }));
        if (again is null) refusal = trial.Result.LastError;
        if (refusal is not null) trial.Found("open what was written", $"the image was opened and written, and is refused now: {refusal}; after: {string.Join(", ", done)}");
        if (again is null) return;
        trial.Try("read what was written", () => Verify(again, "after it was opened again"));
        trial.Try("close", again.Dispose);
    }

    private bool Change(IDiskImage image)
    {
        // A raw disk whose file is no whole number of sectors has padding at its end, which cannot be written.
        var end = image.Format == ImageFormat.Raw ? image.Files[0].Length : image.Length;
        if (end == 0) return false;
        var kind = random.Between(0, 9);
        var offset = random.Between(0, 3) switch { 0 => 0, 1 => Math.Max(0, end - 700), 2 => random.Between(0, end - 1) & -512L, _ => random.Between(0, Math.Min(end - 1, 2 << 20)) };
        var length = (int)Math.Min(end - offset, random.Between(0, 2) switch { 0 => random.Between(1, 2048), 1 => 512 * random.Between(1, 40), _ => random.Between(1, 100_000) });
        // What a program may meet of an image that it opened for writing: a part of it that cannot be written, and an end of what its numbers can name.
        static bool IsExpected(Exception e) => e is NotSupportedException or ImageFullException;
        var isDone = kind switch
        {
            < 5 => trial.Try("write", () => Write(image, offset, length), IsExpected),
            5 => trial.Try("zero", () => Zero(image, offset, length, image.Zero), IsExpected),
            6 => trial.Try("punch", () => Zero(image, offset, length, image.Punch), IsExpected),
            7 => trial.Try("resize", () => Resize(image), e => IsExpected(e) || e is ShrinkRefusedException or ArgumentOutOfRangeException { ParamName: "length" }),
            _ => trial.Try("flush", () => Flush(image), IsExpected),
        };
        return isDone && trial.Try("read what was written", () => Verify(image, "at once"));
    }

    private void Write(IDiskImage image, long offset, int length)
    {
        var data = new byte[length];
        random.Fill(data);
        done.Add($"write {length} at {offset}");
        image.Write(offset, data);
        written.Add((offset, data));
        trial.Result.IsWritten = true;
    }

    private void Zero(IDiskImage image, long offset, int length, Action<long, long> zero)
    {
        done.Add($"{zero.Method.Name} {length} at {offset}");
        zero(offset, length);
        written.Add((offset, new byte[length]));
        trial.Result.IsWritten = true;
    }

    private void Flush(IDiskImage image)
    {
        done.Add("flush");
        image.Flush();
    }

    private void Resize(IDiskImage image)
    {
        var length = random.Chance(0.7) ? image.Length + (image.SectorSize * random.Between(1, 5000)) : Math.Max(image.SectorSize, image.Length - (image.SectorSize * random.Between(1, 100)));
        done.Add($"resize {image.Length} to {length}");
        ImageResizer.Resize(image, length, allowShrink: true, CancellationToken.None);
        trial.Result.IsWritten = true;
        if (image.Length != length) trial.Found("resize", $"to {length} bytes gave {image.Length}");
        // What was cut off was zeros and is no longer asked for.
        for (var i = 0; i < written.Count; i++) written[i] = (written[i].Offset, written[i].Bytes.AsSpan(0, (int)Math.Clamp(length - written[i].Offset, 0, written[i].Bytes.Length)).ToArray());
    }

    private void Verify(IDiskImage image, string when)
    {
        for (var i = 0; i < written.Count; i++)
        {
            var (offset, bytes) = written[i];
            if (bytes.Length == 0) continue;
            var expected = bytes.ToArray();
            foreach (var (later, over) in written.Skip(i + 1))
            {
                var (from, to) = (Math.Max(offset, later), Math.Min(offset + bytes.Length, later + over.Length));
                if (from < to) over.AsSpan((int)(from - later), (int)(to - from)).CopyTo(expected.AsSpan((int)(from - offset)));
            }

            var found = new byte[expected.Length];
            image.Read(offset, found);
            var same = found.AsSpan().CommonPrefixLength(expected);
            if (same == expected.Length) continue;
            trial.Found("read what was written", $"byte {same} of {expected.Length} written at {offset} is {found[same]} {when}, not {expected[same]}, after: {string.Join(", ", done)}");
            return;
        }
    }
}
