using System.Diagnostics.CodeAnalysis;
using VmRepl.Agent.Commands.Arguments;
using VmRepl.Images;
using VmRepl.Protocol.Names;

namespace VmRepl.Agent.Commands.Parsing;

/// <summary>Reads NAME=FILE[,format=F]. FILE may hold commas and equals signs: only a last ",format=" is an option.</summary>
internal static class DiskText
{
    private const string FormatOption = ",format=";

    public static bool TryParse(string text, [NotNullWhen(true)] out DiskArgument? disk, [NotNullWhen(false)] out string? problem)
    {
        disk = null;
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        if (equals < 0)
        {
            problem = $"--disk \"{text}\" is not of the form NAME=FILE[,format=F].";
            return false;
        }

        var (name, file) = (text[..equals], text[(equals + 1)..]);
        if (!NameRule.IsValid(name))
        {
            problem = $"--disk: \"{name}\" cannot be a disk's name: {NameRule.Text}.";
            return false;
        }

        ImageFormat? format = null;
        var option = file.LastIndexOf(FormatOption, StringComparison.Ordinal);
        if (option >= 0)
        {
            if (!ImageFormatNames.TryParse(file[(option + FormatOption.Length)..], out var given))
            {
                problem = $"--disk {name}: \"{file[(option + FormatOption.Length)..]}\" is no format; raw, qcow2, vhdx, vmdk and vhd are.";
                return false;
            }

            (file, format) = (file[..option], given);
        }

        if (file.Length == 0 || file.Contains('\0', StringComparison.Ordinal))
        {
            problem = $"--disk {name}: the file's name is missing.";
            return false;
        }

        disk = new DiskArgument(name, Path.GetFullPath(file), format);
        problem = null;
        return true;
    }
}
