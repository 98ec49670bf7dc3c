using System.CommandLine;
using VmRepl.Agent.Commands.Parsing;

namespace VmRepl.Agent.Commands;

/// <summary>Options whose value is a size or a span of time. Each call makes a new one.</summary>
internal static class QuantityOptions
{
    public static Option<long?> Size(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "SIZE",
        CustomParser = result =>
        {
            if (QuantityText.TrySize(result.Tokens[0].Value, out var bytes)) return bytes;
            result.AddError($"{name}: \"{result.Tokens[0].Value}\" is no size; write bytes, or a number with KiB, MiB, GiB or TiB, as 20GiB.");
            return null;
        },
    };

    public static Option<TimeSpan?> Span(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "TIME",
        CustomParser = result =>
        {
            if (QuantityText.TrySpan(result.Tokens[0].Value, out var span)) return span;
            result.AddError($"{name}: \"{result.Tokens[0].Value}\" is no span of time; write a number with s, min, h, d or w, as 14d.");
            return null;
        },
    };
}
