using System.Globalization;
using VmRepl.Agent.Output;
using VmRepl.Blocks;
using VmRepl.Images;

namespace VmRepl.Agent.Commands.Image;

/// <summary>What <c>image …</c> says to people.</summary>
internal static class ImageText
{
    public static void Info(ImageFacts facts, CommandOutput output)
    {
        output.Line($"image: {facts.FileName}");
        output.Line($"file format: {facts.Format.Name()}");
        output.Line($"virtual size: {Quantities.Size(facts.VirtualSize)} ({facts.VirtualSize} bytes)");
        output.Line($"disk size: {Quantities.Size(facts.ActualSize)}");
        if (facts.Description.ClusterSize is { } clusterSize) output.Line($"cluster size: {clusterSize}");
        if (facts.Description.BackingFile is { } backing) output.Line($"backing file: {backing}");
        if (facts.Description.BackingFormat is { } format) output.Line($"backing file format: {format.Name()}");
        var specific = facts.Specific().ToList();
        if (specific.Count > 0) output.Line("format specific:");
        foreach (var (name, value) in specific) output.Line($"    {name.Replace('-', ' ')}: {value}");
        if (facts.IsDirty) output.Line("dirty: the image was not closed properly");
    }

    /// <summary>Columns of fixed width, written run by run: a fragmented disk has millions of them.</summary>
    public static void Map(IEnumerable<MapExtent> map, TextWriter writer)
    {
        writer.WriteLine($"{"Offset",-16}  {"Length",-16}  {"State",-11}  {"Depth",5}  Mapped to");
        foreach (var extent in map)
            writer.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Hex(extent.Offset),-16}  {Hex(extent.Length),-16}  {State(extent.State),-11}  {extent.Depth,5}  {(extent.FileOffset < 0 ? "-" : Hex(extent.FileOffset))}"));
    }

    public static void Check(string fileName, IReadOnlyCollection<ImageFinding> findings, CommandOutput output)
    {
        foreach (var finding in findings) output.Line($"{(finding.IsDamage ? "damage" : "leak")}: {finding.Message}");
        var damages = findings.Count(f => f.IsDamage);
        output.Line((damages, findings.Count) switch
        {
            (0, 0) => $"{fileName}: no errors were found.",
            (0, _) => $"{fileName}: no damage; {findings.Count} places only waste space.",
            _ => $"{fileName}: {damages} {(damages == 1 ? "place is" : "places are")} damaged.",
        });
    }

    private static string Hex(long value) => $"0x{value:x}";

    private static string State(BlockState state) => state switch
    {
        BlockState.Unallocated => "unallocated",
        BlockState.Zero => "zero",
        BlockState.Data => "data",
        _ => "compressed",
    };
}
