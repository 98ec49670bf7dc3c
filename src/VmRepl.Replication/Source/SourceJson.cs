using System.Text.Json;
using System.Text.Json.Serialization;
using VmRepl.Blocks.Files;

namespace VmRepl.Replication.Source;

/// <summary>The small JSON files of an agent's state.</summary>
internal static class SourceJson
{
    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web) { WriteIndented = true, Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) } };

    public static void Write<T>(IHostDirectory directory, string name, T value) => DurableFile.Replace(directory, name, JsonSerializer.SerializeToUtf8Bytes(value, Options));

    /// <summary>The file's value, or null where there is none.</summary>
    /// <exception cref="IOException">It does not parse.</exception>
    public static T? TryRead<T>(IHostDirectory directory, string name)
        where T : class
    {
        if (DurableFile.TryRead(directory, name) is not { } contents) return null;
        try
        {
            return JsonSerializer.Deserialize<T>(contents, Options);
        }
        catch (JsonException e)
        {
            throw new IOException($"{Path.Combine(directory.Path, name)} does not parse: {e.Message}", e);
        }
    }
}
