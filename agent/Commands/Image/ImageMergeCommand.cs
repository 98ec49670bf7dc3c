using System.CommandLine;
using VmRepl.Agent.Output;
using VmRepl.Agent.Output.Reports;
using VmRepl.Images;
using VmRepl.Images.Operations;

namespace VmRepl.Agent.Commands.Image;

internal static class ImageMergeCommand
{
    public static Command Create(CommandContext context)
    {
        var source = new CopyArguments("TOP", "The topmost image of the chain.");
        var command = new Command("merge", "Make one image that stands alone of a chain of overlays. No member of the chain is written.");
        source.AddTo(command);
        context.SetAction(command, (parse, output, cancellation) =>
        {
            source.RefuseTarget(parse);
            using var top = source.Open(parse, output);
            var chain = Chain(top);
            if (chain.Count == 1) output.Note($"{chain[0]}: has no backing file; this is a copy.");
            var moved = source.Copy(top, "Merging", parse, output, cancellation);
            output.Report(
                new MergeReport(source.Target(parse), source.Format(parse).Name(), top.Length, moved.BytesRead, moved.BytesWritten, chain),
                json => json.MergeReport,
                r => output.Line($"{r.File}: {Quantities.Size(r.Size)} out of {r.Chain.Count} {(r.Chain.Count == 1 ? "image" : "images")}, {Quantities.Size(r.BytesRead)} read, {Quantities.Size(r.BytesWritten)} written."));
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>The chain's images by their first file, the topmost first.</summary>
    private static List<string> Chain(IDiskImage top)
    {
        var chain = new List<string>();
        for (IDiskImage? image = top; image is not null; image = image.Parent) chain.Add(image.Files[0].Path);
        return chain;
    }
}
