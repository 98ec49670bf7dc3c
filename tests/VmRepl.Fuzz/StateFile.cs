using System.Globalization;
using System.IO.MemoryMappedFiles;

namespace VmRepl.Fuzz;

/// <summary>
/// The seeds that are being tried, kept in a file as they begin: it outlives a process that is killed, or that a mutant takes down with it. Lines of text of a fixed length; the first is the seed behind the
/// run's last, the others belong to a worker each, which is done with all of its seeds where it is empty.
/// </summary>
public sealed class StateFile : IDisposable
{
    private const int LineBytes = 21, Lines = 1 + FuzzRun.AtOnce;

    private readonly MemoryMappedFile file;
    private readonly MemoryMappedViewAccessor view;

    /// <param name="path">Made anew.</param>
    /// <param name="end">The seed behind the run's last.</param>
    public StateFile(string path, ulong end)
    {
        file = MemoryMappedFile.CreateFromFile(path, FileMode.Create, null, LineBytes * Lines);
        view = file.CreateViewAccessor();
        Put(0, end);
        for (var worker = 0; worker < FuzzRun.AtOnce; worker++) Put(1 + worker, null);
    }

    /// <summary>Where a run that this file is of goes on, and how many are left: from the lowest seed that was not done. Null where there is no such file, or it was done.</summary>
    public static (ulong Seed, long Runs)? Find(string path)
    {
        if (!File.Exists(path)) return null;
        var lines = File.ReadAllText(path).Split('\n').Select(l => ulong.TryParse(l, NumberStyles.AllowLeadingWhite, CultureInfo.InvariantCulture, out var seed) ? seed : (ulong?)null).ToArray();
        if (lines.Length < Lines || lines[0] is not { } end) return null;
        var lowest = lines[1..Lines].Min();
        return lowest is { } seed && seed < end ? (seed, (long)(end - seed)) : null;
    }

    public void Begin(int worker, ulong seed) => Put(1 + worker, seed);

    public void Done(int worker) => Put(1 + worker, null);

    public void Dispose()
    {
        view.Dispose();
        file.Dispose();
    }

    private void Put(int line, ulong? seed)
    {
        Span<byte> text = stackalloc byte[LineBytes];
        text.Fill((byte)' ');
        text[^1] = (byte)'\n';
        if (seed is { } number)
        {
            Span<byte> digits = stackalloc byte[LineBytes - 1];
            number.TryFormat(digits, out var length, provider: CultureInfo.InvariantCulture);
            digits[..length].CopyTo(text[(LineBytes - 1 - length)..]);
        }

        view.SafeMemoryMappedViewHandle.WriteSpan((ulong)(line * LineBytes), (ReadOnlySpan<byte>)text);
    }
}
