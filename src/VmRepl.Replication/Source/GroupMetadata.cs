using System.Security.Cryptography;
using VmRepl.Blocks.Files;
using VmRepl.Images.Opening;
using VmRepl.Journal.Points;
using VmRepl.Protocol.Records;
using VmRepl.Replication.Reading;

namespace VmRepl.Replication.Source;

/// <summary>The keys and values that travel with a group, the VM's definition among them.</summary>
internal static class GroupMetadata
{
    /// <exception cref="ReplicationException">The definition cannot be read.</exception>
    public static Dictionary<string, byte[]> Read(SourceGroupDefinition group)
    {
        var metadata = group.Metadata.ToDictionary(m => m.Key, m => System.Text.Encoding.UTF8.GetBytes(m.Value));
        if (group.DefinitionFile is null) return metadata;
        try
        {
            metadata[IPastView.DefinitionKey] = ReadBounded(group.DefinitionFile);
            return metadata;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ReplicationException(group.Name, $"group {group.Name}: the definition {group.DefinitionFile} cannot be read: {e.Message}", "Put it back, then sync again; earlier points are kept.", cause: e);
        }
    }

    private static byte[] ReadBounded(string path)
    {
        const int bytesMax = 16 << 20;
        // Opened as images are, which takes regular files only: no pipe to wait at, no device without an end.
        using var file = HostImageFiles.Instance.Open(path, HostFileAccess.Read);
        if (file.Length > bytesMax) throw new IOException($"it is larger than {bytesMax} bytes");
        var contents = new byte[file.Length];
        file.ReadExactly(0, contents);
        return contents;
    }

    /// <summary>A record for each value that the replica does not have yet, and one without a value for each key that is gone.</summary>
    public static List<RecordDraft> Drafts(Dictionary<string, byte[]> metadata, IReadOnlyDictionary<string, string> sent)
    {
        var drafts = new List<RecordDraft>();
        foreach (var (key, value) in metadata.OrderBy(m => m.Key, StringComparer.Ordinal))
        {
            if (!sent.TryGetValue(key, out var digest) || digest != Digest(value)) drafts.Add(Draft(key, value));
        }

        drafts.AddRange(sent.Keys.Where(k => !metadata.ContainsKey(k)).Order(StringComparer.Ordinal).Select(k => Draft(k, [])));
        return drafts;

        static RecordDraft Draft(string key, byte[] value) => new(RecordKind.Metadata, 0, 0, 0, value, new Dictionary<string, string> { [RecordAttribute.Key] = key });
    }

    /// <summary>By which a value is remembered.</summary>
    public static string Digest(byte[] value) => Convert.ToHexStringLower(SHA256.HashData(value));
}
