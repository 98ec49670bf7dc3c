using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace VmRepl.Agent.Output.Reports;

/// <summary>
/// How reports become JSON: camelCase unless a property says otherwise, indented, nulls written, and nothing escaped that JSON does not need escaped.
/// Generated at build time, because reflection would cost more than most commands take.
/// </summary>
[JsonSourceGenerationOptions(GenerationMode = JsonSourceGenerationMode.Metadata)]
[JsonSerializable(typeof(StatusReport))]
[JsonSerializable(typeof(PointsReport))]
[JsonSerializable(typeof(SyncReport))]
[JsonSerializable(typeof(BookmarkReport))]
[JsonSerializable(typeof(ProtectReport))]
[JsonSerializable(typeof(UnprotectReport))]
[JsonSerializable(typeof(ServeReport))]
[JsonSerializable(typeof(WhyReport))]
[JsonSerializable(typeof(ClonesReport))]
[JsonSerializable(typeof(MadeCloneReport))]
[JsonSerializable(typeof(RewindReport))]
[JsonSerializable(typeof(AttachReport))]
[JsonSerializable(typeof(AttachmentsReport))]
[JsonSerializable(typeof(DetachReport))]
[JsonSerializable(typeof(TestFailoverReport))]
[JsonSerializable(typeof(TestsReport))]
[JsonSerializable(typeof(RestoreReport))]
[JsonSerializable(typeof(RestorePlanReport))]
[JsonSerializable(typeof(ScrubResultReport))]
[JsonSerializable(typeof(StoreScrubReport))]
[JsonSerializable(typeof(ConvertReport))]
[JsonSerializable(typeof(CompareReport))]
[JsonSerializable(typeof(CreateReport))]
[JsonSerializable(typeof(DiffReport))]
[JsonSerializable(typeof(MergeReport))]
[JsonSerializable(typeof(ResizeReport))]
[JsonSerializable(typeof(FailureReport))]
public sealed partial class ReportJson : JsonSerializerContext
{
    /// <summary>The one to use; the generated <c>Default</c> lacks the options.</summary>
    public static ReportJson Shared { get; } = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new UtcTimeConverter() },
    });

    /// <summary>The JSON of <paramref name="report"/>, without a line end.</summary>
    public static string Serialize<T>(T report, JsonTypeInfo<T> type) => JsonSerializer.Serialize(report, type);
}
