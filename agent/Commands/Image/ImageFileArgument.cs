using System.CommandLine;

namespace VmRepl.Agent.Commands.Image;

/// <summary>The name of an image's file. An empty one, as a script's unset variable gives it, is a mistake of the command line and not of a file.</summary>
internal sealed class ImageFileArgument : Argument<string>
{
    public ImageFileArgument(string name, string description)
        : base(name)
    {
        Description = description;
        Validators.Add(result =>
        {
            if (result.Tokens.Any(t => t.Value.Length == 0)) result.AddError($"{name} is empty.");
        });
    }
}
