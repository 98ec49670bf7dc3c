using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using VmRepl.Blocks;
using VmRepl.Images;
using VmRepl.Images.Changes;

namespace VmRepl.Agent.Commands.Image;

/// <summary>The JSON of <c>image …</c>, with qemu-img's own keys where qemu-img has them. Written by hand: the keys follow no rule that a serializer knows.</summary>
internal static class ImageJson
{
    private static readonly JsonWriterOptions Options = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>An object as of <c>qemu-img info --output=json</c>.</summary>
    public static string Info(ImageFacts facts) => Write(json =>
    {
        json.WriteStartObject();
        json.WriteString("filename", facts.FileName);
        json.WriteString("format", facts.Format.Name());
        json.WriteNumber("virtual-size", facts.VirtualSize);
        json.WriteNumber("actual-size", facts.ActualSize);
        if (facts.Description.ClusterSize is { } clusterSize) json.WriteNumber("cluster-size", clusterSize);
        if (facts.Description.BackingFile is { } backing)
        {
            json.WriteString("backing-filename", backing);
            json.WriteString("full-backing-filename", facts.FullBackingFileName);
            if (facts.Description.BackingFormat is { } format) json.WriteString("backing-filename-format", format.Name());
        }

        WriteSnapshots(json, facts.Snapshots);
        WriteSpecific(json, facts);
        WriteTracks(json, facts.Tracks);
        json.WriteBoolean("dirty-flag", facts.IsDirty);
        json.WriteEndObject();
    });

    /// <summary>An array as of <c>qemu-img map --output=json</c>, written run by run: a fragmented disk has millions of them.</summary>
    public static void Map(IEnumerable<MapExtent> map, TextWriter writer)
    {
        var separator = "[";
        foreach (var extent in map)
        {
            writer.Write(separator);
            writer.Write(string.Create(CultureInfo.InvariantCulture, $$"""{"start": {{extent.Offset}}, "length": {{extent.Length}}, "depth": {{extent.Depth}}"""));
            writer.Write(string.Create(CultureInfo.InvariantCulture, $", \"present\": {Truth(ImageMap.IsPresent(extent))}, \"zero\": {Truth(!extent.HasData)}, \"data\": {Truth(extent.HasData)}"));
            if (extent.State == BlockState.Compressed) writer.Write(", \"compressed\": true");
            if (extent.FileOffset >= 0) writer.Write(string.Create(CultureInfo.InvariantCulture, $", \"offset\": {extent.FileOffset}"));
            writer.Write('}');
            separator = ",\n";
        }

        writer.WriteLine(separator == "[" ? "[]" : "]");

        static string Truth(bool value) => value ? "true" : "false";
    }

    /// <summary>An array of what changed, written run by run.</summary>
    public static void Changes(IEnumerable<Extent> changes, TextWriter writer)
    {
        var separator = "[";
        foreach (var extent in changes)
        {
            writer.Write(separator);
            writer.Write(string.Create(CultureInfo.InvariantCulture, $$"""{"start": {{extent.Offset}}, "length": {{extent.Length}}}"""));
            separator = ",\n";
        }

        writer.WriteLine(separator == "[" ? "[]" : "]");
    }

    /// <summary>An object as of <c>qemu-img check --output=json</c>, with what was found beside the counts.</summary>
    public static string Check(string fileName, ImageFormat format, IReadOnlyCollection<ImageFinding> findings) => Write(json =>
    {
        json.WriteStartObject();
        json.WriteString("filename", fileName);
        json.WriteString("format", format.Name());
        json.WriteNumber("check-errors", 0);
        json.WriteNumber("corruptions", findings.Count(f => f.IsDamage));
        json.WriteNumber("leaks", findings.Count(f => !f.IsDamage));
        json.WriteStartArray("findings");
        foreach (var finding in findings)
        {
            json.WriteStartObject();
            json.WriteBoolean("damage", finding.IsDamage);
            json.WriteString("message", finding.Message);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    });

    private static void WriteSnapshots(Utf8JsonWriter json, IReadOnlyList<ImageSnapshot> snapshots)
    {
        if (snapshots.Count == 0) return;
        json.WriteStartArray("snapshots");
        foreach (var snapshot in snapshots)
        {
            json.WriteStartObject();
            json.WriteString("id", snapshot.Id);
            json.WriteString("name", snapshot.Name);
            json.WriteNumber("date-sec", snapshot.Taken.ToUnixTimeSeconds());
            json.WriteNumber("vm-state-size", snapshot.VmStateBytes);
            json.WriteNumber("disk-size", snapshot.Length);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteTracks(Utf8JsonWriter json, IReadOnlyList<IChangeTrack> tracks)
    {
        if (tracks.Count == 0) return;
        json.WriteStartArray("change-tracking");
        foreach (var track in tracks)
        {
            json.WriteStartObject();
            json.WriteString("kind", ImageText.Name(track.Kind));
            json.WriteString("name", track.Name);
            if (track.Granularity is { } granularity) json.WriteNumber("granularity", granularity);
            json.WriteString("state", ImageText.Name(track.State));
            if (track.Problem is { } problem) json.WriteString("problem", problem);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteSpecific(Utf8JsonWriter json, ImageFacts facts)
    {
        var specific = facts.Specific().ToList();
        if (specific.Count == 0) return;
        json.WriteStartObject("format-specific");
        json.WriteString("type", facts.Format.Name());
        json.WriteStartObject("data");
        foreach (var fact in specific)
        {
            json.WritePropertyName(fact.Name);
            if (fact.IsLiteral) json.WriteRawValue(fact.Value);
            else json.WriteStringValue(fact.Value);
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static string Write(Action<Utf8JsonWriter> content)
    {
        var buffer = new ArrayBufferWriter<byte>(4096);
        using (var json = new Utf8JsonWriter(buffer, Options)) content(json);
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
