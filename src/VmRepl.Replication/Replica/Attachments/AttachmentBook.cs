using System.Text.Json;
using VmRepl.Blocks.Files;

namespace VmRepl.Replication.Replica.Attachments;

/// <summary>The file of the store that lists what is attached, so that a replica that was restarted serves it again.</summary>
internal sealed class AttachmentBook(IHostDirectory store)
{
    private const string Name = "attachments.json";

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    /// <summary>Everything that was attached; nothing where the file is missing or cannot be read, which loses no data.</summary>
    public Contents Read()
    {
        try
        {
            return DurableFile.TryRead(store, Name) is { } bytes ? JsonSerializer.Deserialize<Contents>(bytes, Json) ?? Contents.Empty : Contents.Empty;
        }
        catch (Exception e) when (e is JsonException or IOException)
        {
            return Contents.Empty;
        }
    }

    public void Write(Contents contents) => DurableFile.Replace(store, Name, JsonSerializer.SerializeToUtf8Bytes(contents, Json));

    /// <param name="Last">The greatest number that was ever given.</param>
    internal sealed record Contents(uint Last, IReadOnlyList<AttachmentNote> Attachments)
    {
        public static Contents Empty { get; } = new(0, []);
    }
}
