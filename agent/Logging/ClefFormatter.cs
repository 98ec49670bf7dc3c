using System.Globalization;
using Serilog.Events;
using Serilog.Formatting;
using Serilog.Formatting.Json;
using Serilog.Parsing;

namespace VmRepl.Agent.Logging;

/// <summary>
/// Writes an event as one line of CLEF (https://clef-json.org): <c>@t</c> time, <c>@mt</c> template, <c>@r</c> what formatted placeholders came out as,
/// <c>@l</c> level unless Information, <c>@x</c> exception, <c>@tr</c> and <c>@sp</c> trace and span, then the properties, a leading @ of a name doubled.
/// </summary>
internal sealed class ClefFormatter : ITextFormatter
{
    private readonly JsonValueFormatter values = new(typeTagName: "$type");

    public void Format(LogEvent logEvent, TextWriter output)
    {
        output.Write("{\"@t\":\"");
        output.Write(logEvent.Timestamp.UtcDateTime.ToString("O", CultureInfo.InvariantCulture));
        output.Write("\",\"@mt\":");
        JsonValueFormatter.WriteQuotedJsonString(logEvent.MessageTemplate.Text, output);
        WriteRenderings(logEvent, output);
        if (logEvent.Level != LogEventLevel.Information) WriteText("@l", logEvent.Level.ToString(), output);
        if (logEvent.Exception is not null) WriteText("@x", logEvent.Exception.ToString(), output);
        if (logEvent.TraceId is { } trace) WriteText("@tr", trace.ToHexString(), output);
        if (logEvent.SpanId is { } span) WriteText("@sp", span.ToHexString(), output);
        foreach (var (name, value) in logEvent.Properties)
        {
            WriteName(name.StartsWith('@') ? "@" + name : name, output);
            values.Format(value, output);
        }

        output.Write("}\n");
    }

    // Seq renders the template itself, but cannot know .NET's format strings: those come along as text, in the template's order.
    private static void WriteRenderings(LogEvent logEvent, TextWriter output)
    {
        var first = true;
        foreach (var token in logEvent.MessageTemplate.Tokens)
        {
            if (token is not PropertyToken { Format: not null } formatted) continue;
            output.Write(first ? ",\"@r\":[" : ",");
            first = false;
            using var rendered = new StringWriter(CultureInfo.InvariantCulture);
            formatted.Render(logEvent.Properties, rendered, CultureInfo.InvariantCulture);
            JsonValueFormatter.WriteQuotedJsonString(rendered.ToString(), output);
        }

        if (!first) output.Write(']');
    }

    private static void WriteText(string name, string text, TextWriter output)
    {
        WriteName(name, output);
        JsonValueFormatter.WriteQuotedJsonString(text, output);
    }

    private static void WriteName(string name, TextWriter output)
    {
        output.Write(',');
        JsonValueFormatter.WriteQuotedJsonString(name, output);
        output.Write(':');
    }
}
