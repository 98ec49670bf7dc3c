using System.CommandLine;
using VmRepl.Agent.Output;
using VmRepl.Blocks.Files;
using VmRepl.Images;
using VmRepl.Images.Opening;

namespace VmRepl.Agent.Commands.Image;

/// <summary>An image named on the command line, with what is needed to open it.</summary>
/// <param name="name">The argument's name in the help.</param>
/// <param name="formatOption">The option that gives its format.</param>
/// <param name="allow">Shared by all images of one command.</param>
internal sealed class ImageArguments(string name, string description, string formatOption, Option<string[]> allow)
{
    private readonly ImageFileArgument file = new(name, description);
    private readonly FormatOption format = new(formatOption, $"Format of {name}; without it, its first bytes are looked at, and its last sector. Members of a chain are never probed.");

    public void AddTo(Command command)
    {
        command.Arguments.Add(file);
        command.Options.Add(format);
    }

    /// <summary>The name as it was given.</summary>
    public string Name(ParseResult parse) => parse.GetValue(file)!;

    /// <summary>The format as it was given; null where it is to be probed.</summary>
    public ImageFormat? Format(ParseResult parse) => format.Get(parse);

    /// <summary>The option that asks for a state which the image keeps inside itself.</summary>
    public static Option<string?> SnapshotOption() =>
        new("--snapshot") { Description = "Take the disk as it was at this internal snapshot of a QCOW2 image, by name or id." };

    /// <summary>Opens it, read-only unless said otherwise; says what was found where it had to be probed.</summary>
    public IDiskImage Open(ParseResult parse, CommandOutput output, bool isWritable = false, string? snapshot = null)
    {
        var path = Name(parse);
        var given = format.Get(parse);
        if (Directory.Exists(path)) throw new CommandFailure($"{path}: is a directory.");
        var image = DiskImages.Open(path, new ImageOpenOptions { Format = given, Writable = isWritable, MayBeDevice = true, Snapshot = snapshot, Allow = parse.GetValue(allow) ?? [] });
        if (given is null) output.Note(HostFileType.IsBlockDevice(path) ? $"{path}: is a block device and taken as raw; {format.Name} says otherwise." : $"{path}: probed, the format is {image.Format.Name()}.");
        return image;
    }
}
