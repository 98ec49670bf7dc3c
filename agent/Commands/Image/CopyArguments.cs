using System.CommandLine;
using VmRepl.Agent.Output;
using VmRepl.Images;
using VmRepl.Images.Operations;

namespace VmRepl.Agent.Commands.Image;

/// <summary>What <c>convert</c> and <c>merge</c> have in common: an image that is read, and a new one that is made of it.</summary>
internal sealed class CopyArguments
{
    private readonly Option<string[]> allow = SharedOptions.Allow();
    private readonly ImageArguments source;
    private readonly ImageFileArgument target = new("TARGET", "The image to make. It must not exist.");
    private readonly FormatOption format = new("--format", "Format of TARGET. VHDX and VHD are dynamic, VMDK is monolithicSparse unless --subformat says otherwise.", required: true);
    private readonly Option<string?> subformat = new("--subformat") { Description = "Kind of TARGET, by qemu-img's name: streamOptimized for a compressed VMDK to ship.", HelpName = "KIND" };
    private readonly Option<bool> flush = new("--flush") { Description = "Return only when TARGET is on stable storage." };

    /// <param name="name">The source's name in the help.</param>
    public CopyArguments(string name, string description)
    {
        source = new ImageArguments(name, description, "--source-format", allow);
        target.Validators.Add(result =>
        {
            if (result.Tokens.Any(t => t.Value.Length == 0)) result.AddError("TARGET is empty.");
        });
    }

    public void AddTo(Command command)
    {
        command.Options.Add(format);
        command.Options.Add(subformat);
        command.Options.Add(flush);
        command.Options.Add(allow);
        source.AddTo(command);
        command.Arguments.Add(target);
    }

    public string Target(ParseResult parse) => parse.GetValue(target)!;

    public ImageFormat Format(ParseResult parse) => format.Get(parse)!.Value;

    public void RefuseTarget(ParseResult parse) => NewImage.RefuseExisting(Target(parse));

    public IDiskImage Open(ParseResult parse, CommandOutput output, string? snapshot = null) => source.Open(parse, output, snapshot: snapshot);

    /// <summary>Copies <paramref name="image"/> into the target, which is removed again if that fails.</summary>
    /// <param name="doing">What is done, for the progress.</param>
    public ConvertResult Copy(IDiskImage image, string doing, ParseResult parse, CommandOutput output, CancellationToken cancellation)
    {
        var (path, made) = (Target(parse), Format(parse));
        // Only VHDX can say that sectors have 4096 bytes; the contents are the same in every format.
        var options = new ImageCreateOptions { Subformat = parse.GetValue(subformat), SectorSize = made == ImageFormat.Vhdx ? image.SectorSize : new ImageCreateOptions().SectorSize };
        ConvertResult moved = default;
        output.Progress.Run($"{doing} to {made.Name()}", image.Length, progress => NewImage.Write(
            path,
            () => NewImage.Create(path, made, image.Length, options),
            target => moved = ImageConverter.Convert(image, target, new ConvertOptions { Flush = parse.GetValue(flush), Progress = progress }, cancellation)));
        return moved;
    }
}
