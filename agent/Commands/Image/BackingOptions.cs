using System.CommandLine;
using System.CommandLine.Parsing;
using VmRepl.Agent.Output;
using VmRepl.Images;

namespace VmRepl.Agent.Commands.Image;

/// <summary>The backing file of an image that is made.</summary>
internal sealed class BackingOptions
{
    private readonly Option<string?> file = SharedOptions.Path("--backing", "Make an overlay over this image, which must not be written any more.", "FILE");
    private readonly FormatOption format = new("--backing-format", "Format of the backing file; without it, its first bytes are looked at, and its last sector.");
    private readonly Option<string[]> allow = SharedOptions.Allow();

    public void AddTo(Command command)
    {
        command.Options.Add(file);
        command.Options.Add(format);
        command.Options.Add(allow);
        command.Validators.Add(result =>
        {
            if (result.GetResult(format) is not null && !IsGiven(result)) result.AddError("--backing-format is for --backing.");
        });
    }

    public bool IsGiven(CommandResult result) => result.GetResult(file) is not null;

    /// <summary>How the image at <paramref name="target"/> is made; says what was found where the backing file had to be probed.</summary>
    public ImageCreateOptions Get(ParseResult parse, string target, CommandOutput output)
    {
        if (parse.GetValue(file) is not { } backing) return new ImageCreateOptions();
        var allowed = parse.GetValue(allow) ?? [];
        return Over(target, backing, format.Get(parse) ?? Probe(backing, output), allowed, output);
    }

    /// <summary>The options of an overlay at <paramref name="target"/> over <paramref name="backing"/>, both as the operator named them.</summary>
    public static ImageCreateOptions Over(string target, string backing, ImageFormat format, IReadOnlyList<string> allow, CommandOutput output)
    {
        var full = Path.GetFullPath(backing);
        var directory = Path.GetDirectoryName(Path.GetFullPath(target))!;
        var name = Path.GetRelativePath(directory, full);
        // Beside the overlay or below it the name is relative, so that both can be moved together. "../" is not written: through a symbolic link it leads elsewhere.
        var isBeside = !Path.IsPathRooted(name) && name.Split(Path.DirectorySeparatorChar)[0] != "..";
        if (!isBeside) output.Note($"{target}: its backing file lies in another directory; to open it, name that with --allow.");
        return new ImageCreateOptions { Backing = new ImageBacking(isBeside ? name : full, format), Allow = [Path.GetDirectoryName(full)!, .. allow] };
    }

    private static ImageFormat Probe(string path, CommandOutput output)
    {
        if (Directory.Exists(path)) throw new CommandFailure($"{path}: is a directory.");
        using var opened = Images.Opening.HostImageFiles.Instance.Open(path, Blocks.Files.HostFileAccess.Read);
        var found = DiskImages.Probe(opened);
        output.Note($"{path}: probed, the format is {found.Name()}.");
        return found;
    }
}
