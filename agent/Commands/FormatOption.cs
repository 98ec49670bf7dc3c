using System.CommandLine;
using VmRepl.Images;

namespace VmRepl.Agent.Commands;

/// <summary>An option that names a disk image's format.</summary>
/// <remarks>Its value is a string inside: an option of a value type would have to be compiled at each start.</remarks>
internal sealed class FormatOption : Option<string?>
{
    public FormatOption(string name, string description, bool required = false)
        : base(name)
    {
        Description = description;
        HelpName = "raw|qcow2|vhdx|vmdk|vhd";
        Required = required;
        Validators.Add(result =>
        {
            foreach (var token in result.Tokens)
            {
                if (!ImageFormatNames.TryParse(token.Value, out _)) result.AddError($"{name}: \"{token.Value}\" is no format; raw, qcow2, vhdx, vmdk and vhd are.");
            }
        });
    }

    /// <summary>The format given, or null.</summary>
    public ImageFormat? Get(ParseResult parse) => parse.GetValue(this) is { } name && ImageFormatNames.TryParse(name, out var format) ? format : null;
}
