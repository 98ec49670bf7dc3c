using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using VmRepl.Agent.Commands.Arguments;
using VmRepl.Agent.Output;
using VmRepl.Protocol.Names;

namespace VmRepl.Agent.Commands.Parsing;

/// <summary>Reads latest|TIME|SEQUENCE|BOOKMARK. No bookmark can be "latest" or digits only, so only a bookmark that looks like a date is in doubt.</summary>
internal static class PointText
{
    public static bool TryParse(string text, [NotNullWhen(true)] out PointChoice? choice, [NotNullWhen(false)] out string? problem)
    {
        problem = null;
        choice = null;
        var isTime = IsoTime.TryParse(text, out var time);
        if (text == "latest") choice = new PointChoice.Latest();
        else if (text.Length > 0 && !text.AsSpan().ContainsAnyExceptInRange('0', '9'))
        {
            if (ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var sequence)) choice = new PointChoice.AtSequence(sequence);
        }
        else if (NameRule.IsValidBookmark(text)) choice = new PointChoice.AtBookmark(text, isTime ? time : null);
        else if (isTime) choice = new PointChoice.AtTime(time);

        if (choice is not null) return true;
        problem = $"--at: \"{text}\" is neither \"latest\", nor an ISO 8601 time (2026-05-01T09:30:00Z), nor a sequence, nor a bookmark's name.";
        return false;
    }
}
