using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization;
using VmRepl.Blocks.Files;

namespace VmRepl.Clones.Drops;

/// <summary>
/// The durable list of what was seen in drop directories, in the file <c>drops.jsonl</c>, a line of JSON for each. What is on its way to a replica is in it before the replica hears of it; all else that a crash takes is found again by looking.
/// Its owner sees to it that one at a time uses it.
/// </summary>
public sealed class DropList
{
    /// <summary>Most versions of files that are kept in mind. Beyond that the oldest that are gone are forgotten (the replica still has and lists them), and files that are new are left for when there is room.</summary>
    public const int FilesMax = 20_000;

    private const string FileName = "drops.jsonl";

    // So many files with the longest names, each character of them escaped, and the longest reasons take less.
    private const int BytesMax = 256 << 20;

    private const int PieceBytes = 64 << 10;

    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
    {
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault,
        IgnoreReadOnlyProperties = true,
    };

    private readonly IHostDirectory directory;
    private readonly List<DroppedFile> files;
    private bool isChanged;

    /// <param name="directory">State of the agent's; made where it is not there.</param>
    /// <exception cref="IOException">The list that is there does not parse.</exception>
    public DropList(IHostDirectory directory)
    {
        this.directory = directory;
        directory.Create();
        (Compared, files) = Read();
    }

    /// <summary>Names the protected disks that everything in the list was compared with; another name means that what was not a clone of them may be one of others.</summary>
    public string Compared { get; private set; }

    /// <summary>Every version, oldest first.</summary>
    public IReadOnlyList<DroppedFile> Files => files;

    /// <summary>Grows with each change.</summary>
    public long Changes { get; private set; }

    public DroppedFile? Find(string clone) => files.Find(f => f.CloneGroup == clone);

    /// <summary>Puts other contents in place of the list.</summary>
    public void Replace(IReadOnlyList<DroppedFile> next)
    {
        if (files.SequenceEqual(next)) return;
        files.Clear();
        files.AddRange(next);
        NoteChange();
    }

    /// <summary>Puts a version's new state in place of its old one; nothing where it is not in the list any more.</summary>
    public void Update(DroppedFile file)
    {
        var at = files.FindIndex(f => f.CloneGroup == file.CloneGroup);
        if (at < 0 || files[at] == file) return;
        files[at] = file;
        NoteChange();
    }

    /// <summary>Notes with which disks everything has been compared, or is about to be.</summary>
    public void SetCompared(string disks)
    {
        isChanged |= disks != Compared;
        Compared = disks;
    }

    /// <summary>Makes what was changed durable: a crash leaves the old list or the new one.</summary>
    public void Save()
    {
        if (!isChanged) return;
        const string fresh = FileName + ".new";
        if (directory.FileExists(fresh)) directory.Delete(fresh);
        using (var file = directory.Open(fresh, HostFileAccess.CreateNew))
        {
            // A piece at a time: the list is long, and changes often where much is dropped.
            var piece = new ArrayBufferWriter<byte>(2 * PieceBytes);
            using var writer = new Utf8JsonWriter(piece, new JsonWriterOptions { SkipValidation = true });
            long offset = 0;
            Add(writer, piece, new Head(Compared));
            foreach (var one in files)
            {
                Add(writer, piece, one);
                if (piece.WrittenCount >= PieceBytes) offset = Write(file, piece, offset);
            }

            Write(file, piece, offset);
            file.Flush();
        }

        directory.Rename(fresh, FileName);
        directory.Flush();
        isChanged = false;
    }

    private void NoteChange()
    {
        Changes++;
        isChanged = true;
    }

    private static void Add<T>(Utf8JsonWriter writer, ArrayBufferWriter<byte> piece, T value)
    {
        writer.Reset();
        JsonSerializer.Serialize(writer, value, Options);
        writer.Flush();
        piece.Write("\n"u8);
    }

    private static long Write(IHostFile file, ArrayBufferWriter<byte> piece, long offset)
    {
        file.Write(offset, piece.WrittenSpan);
        var end = offset + piece.WrittenCount;
        piece.ResetWrittenCount();
        return end;
    }

    private (string Compared, List<DroppedFile> Files) Read()
    {
        if (!directory.FileExists(FileName)) return ("", []);
        using var file = directory.Open(FileName, HostFileAccess.Read);
        if (file.Length > BytesMax) throw new IOException($"{file.Path}: is {file.Length} bytes, at most {BytesMax} were expected");
        var contents = new byte[file.Length];
        file.ReadExactly(0, contents);
        var lines = contents.AsSpan();
        try
        {
            var compared = JsonSerializer.Deserialize<Head>(Line(ref lines), Options)?.Compared ?? throw new JsonException("its first line is null");
            var read = new List<DroppedFile>();
            while (!lines.IsEmpty) read.Add(JsonSerializer.Deserialize<DroppedFile>(Line(ref lines), Options) ?? throw new JsonException("a line is null"));
            return (compared, read);
        }
        catch (JsonException e)
        {
            throw new IOException($"{file.Path} does not parse: {e.Message}", e);
        }

        static ReadOnlySpan<byte> Line(ref Span<byte> lines)
        {
            var end = lines.IndexOf((byte)'\n');
            if (end < 0) throw new JsonException("a line has no end");
            var line = lines[..end];
            lines = lines[(end + 1)..];
            return line;
        }
    }

    /// <summary>The first line; each of the others is a file.</summary>
    private sealed record Head(string Compared);
}
