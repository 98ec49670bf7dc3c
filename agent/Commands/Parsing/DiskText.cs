using System.Diagnostics.CodeAnalysis;
using VmRepl.Agent.Commands.Arguments;
using VmRepl.Images;
using VmRepl.Protocol.Names;

namespace VmRepl.Agent.Commands.Parsing;

/// <summary>Reads NAME=FILE[,format=F]. FILE may hold commas and equals signs: only a last ",format=" is an option.</summary>
internal static class DiskText
{
    private const string FormatOption = ",format=";

    /// <param name="option">The option that it stands behind.</param>
    /// <param name="isElsewhere">Whether FILE is of another host, and stays as it is given.</param>
    public static bool TryParse(string text, [NotNullWhen(true)] out DiskArgument? disk, [NotNullWhen(false)] out string? problem, string option = "--disk", bool isElsewhere = false)
    {
        disk = null;
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        if (equals < 0)
        {
            problem = $"{option} \"{text}\" is not of the form NAME=FILE[,format=F].";
            return false;
        }

        var (name, file) = (text[..equals], text[(equals + 1)..]);
        if (!NameRule.IsValid(name))
        {
            problem = $"{option}: \"{name}\" cannot be a disk's name: {NameRule.Text}.";
            return false;
        }

        ImageFormat? format = null;
        var place = file.LastIndexOf(FormatOption, StringComparison.Ordinal);
        if (place >= 0)
        {
            if (!ImageFormatNames.TryParse(file[(place + FormatOption.Length)..], out var given))
            {
                problem = $"{option} {name}: \"{file[(place + FormatOption.Length)..]}\" is no format; raw, qcow2, vhdx, vmdk and vhd are.";
                return false;
            }

            (file, format) = (file[..place], given);
        }

        if (file.Length == 0 || file.Contains('\0', StringComparison.Ordinal))
        {
            problem = $"{option} {name}: the file's name is missing.";
            return false;
        }

        disk = new DiskArgument(name, isElsewhere ? file : Path.GetFullPath(file), format);
        problem = null;
        return true;
    }
}
