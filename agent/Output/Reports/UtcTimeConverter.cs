using System.Text.Json;
using System.Text.Json.Serialization;

namespace VmRepl.Agent.Output.Reports;

/// <summary>Moments in JSON: ISO 8601, UTC, always with "Z" and microseconds.</summary>
internal sealed class UtcTimeConverter : JsonConverter<DateTimeOffset>
{
    public override DateTimeOffset Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        IsoTime.TryParse(reader.GetString() ?? "", out var time) ? time : throw new JsonException("is not an ISO 8601 time");

    public override void Write(Utf8JsonWriter writer, DateTimeOffset value, JsonSerializerOptions options) => writer.WriteStringValue(IsoTime.Format(value));
}
