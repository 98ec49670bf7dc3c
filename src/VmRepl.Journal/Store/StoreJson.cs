using System.Text.Json;
using VmRepl.Blocks.Files;

namespace VmRepl.Journal.Store;

/// <summary>The small JSON files of a store.</summary>
public static class StoreJson
{
    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    /// <summary>Durable on return; a crash leaves the old contents or the new ones.</summary>
    public static void Write<T>(IHostDirectory directory, string name, T value) => DurableFile.Replace(directory, name, JsonSerializer.SerializeToUtf8Bytes(value, Options));

    /// <summary>For a file without which nothing is lost: one that is missing, or does not parse, is none.</summary>
    public static T? TryRead<T>(IHostDirectory directory, string name)
        where T : class
    {
        try
        {
            return DurableFile.TryRead(directory, name) is { } contents ? JsonSerializer.Deserialize<T>(contents, Options) : null;
        }
        catch (Exception e) when (e is JsonException or IOException)
        {
            return null;
        }
    }

    /// <exception cref="StoreException">There is none, or it does not parse.</exception>
    public static T Read<T>(IHostDirectory directory, string name)
    {
        var contents = DurableFile.TryRead(directory, name) ?? throw new StoreException($"{directory.Path} has no {name}", "Is this the directory that the replica was given with --store?");
        try
        {
            return JsonSerializer.Deserialize<T>(contents, Options) ?? throw new JsonException("it is null");
        }
        catch (JsonException e)
        {
            throw new StoreException($"{Path.Combine(directory.Path, name)} does not parse: {e.Message}");
        }
    }
}
