using System.Text.Json;
using System.Text.Json.Serialization;
using VmRepl.Blocks.Files;

namespace VmRepl.Clones.Drops;

/// <summary>
/// The durable list of what was seen in drop directories, in the file <c>drops.json</c>. What is on its way to a replica is in it before the replica hears of it; all else that a crash takes is found again by looking.
/// Its owner sees to it that one at a time uses it.
/// </summary>
public sealed class DropList
{
    /// <summary>Most versions of files that are kept in mind. Beyond that the oldest that are gone are forgotten (the replica still has and lists them), and files that are new are left for when there is room.</summary>
    public const int FilesMax = 20_000;

    private const string FileName = "drops.json";

    // So many files with the longest names, each character of them escaped, and the longest reasons take less.
    private const int BytesMax = 256 << 20;

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
        var kept = Read();
        Compared = kept?.Compared ?? "";
        files = [.. kept?.Files ?? []];
    }

    /// <summary>Names the protected disks that everything in the list was compared with; another name means that what was not a clone of them may be one of others.</summary>
    public string Compared { get; private set; }

    /// <summary>Every version, oldest first.</summary>
    public IReadOnlyList<DroppedFile> Files => files;

    public DroppedFile? Find(string clone) => files.Find(f => f.CloneGroup == clone);

    /// <summary>Puts other contents in place of the list.</summary>
    public void Replace(IReadOnlyList<DroppedFile> next)
    {
        if (files.SequenceEqual(next)) return;
        files.Clear();
        files.AddRange(next);
        isChanged = true;
    }

    /// <summary>Puts a version's new state in place of its old one; nothing where it is not in the list any more.</summary>
    public void Update(DroppedFile file)
    {
        var at = files.FindIndex(f => f.CloneGroup == file.CloneGroup);
        if (at < 0 || files[at] == file) return;
        files[at] = file;
        isChanged = true;
    }

    /// <summary>Notes with which disks everything has been compared, or is about to be.</summary>
    public void SetCompared(string disks)
    {
        isChanged |= disks != Compared;
        Compared = disks;
    }

    /// <summary>Makes what was changed durable.</summary>
    public void Save()
    {
        if (!isChanged) return;
        DurableFile.Replace(directory, FileName, JsonSerializer.SerializeToUtf8Bytes(new Kept(Compared, files), Options));
        isChanged = false;
    }

    private Kept? Read()
    {
        if (!directory.FileExists(FileName)) return null;
        using var file = directory.Open(FileName, HostFileAccess.Read);
        if (file.Length > BytesMax) throw new IOException($"{file.Path}: is {file.Length} bytes, at most {BytesMax} were expected");
        var contents = new byte[file.Length];
        file.ReadExactly(0, contents);
        try
        {
            return JsonSerializer.Deserialize<Kept>(contents, Options);
        }
        catch (JsonException e)
        {
            throw new IOException($"{Path.Combine(directory.Path, FileName)} does not parse: {e.Message}", e);
        }
    }

    private sealed record Kept(string Compared, IReadOnlyList<DroppedFile> Files);
}
