using System.Diagnostics.CodeAnalysis;
using VmRepl.Hypervisors.Boot;

namespace VmRepl.Agent.Commands.Parsing;

/// <summary>Reads what tells that a guest is up: <c>serial:TEXT</c>, <c>pattern:REGEX</c>, <c>agent</c>, <c>script:FILE</c> or <c>runs:TIME</c>.</summary>
internal static class BootCheckText
{
    public static bool TryParse(string text, [NotNullWhen(true)] out BootCheck? check, [NotNullWhen(false)] out string? problem)
    {
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        var (kind, value) = colon < 0 ? (text, "") : (text[..colon], text[(colon + 1)..]);
        (check, problem) = (null, null);
        switch (kind)
        {
            case "serial" when value.Length > 0:
                check = new BootCheck.SerialText(value);
                break;
            case "pattern" when value.Length > 0:
                check = new BootCheck.SerialPattern(value);
                break;
            case "agent" when colon < 0:
                check = new BootCheck.GuestAgent();
                break;
            case "script" when value.Length > 0:
                check = new BootCheck.Script(Path.GetFullPath(value), []);
                break;
            case "runs":
                if (QuantityText.TrySpan(value, out var time) && time > TimeSpan.Zero) check = new BootCheck.Survives(time);
                else problem = $"--check: \"{value}\" is no span of time; write a number with s, min or h, as runs:30s.";
                break;
            default:
                problem = $"--check: \"{text}\" is none of serial:TEXT, pattern:REGEX, agent, script:FILE and runs:TIME.";
                break;
        }

        return check is not null;
    }
}
