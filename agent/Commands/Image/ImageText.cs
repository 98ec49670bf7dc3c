using System.Globalization;
using VmRepl.Agent.Output;
using VmRepl.Blocks;
using VmRepl.Images;
using VmRepl.Images.Changes;

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
        foreach (var fact in specific) output.Line($"    {fact.Name.Replace('-', ' ')}: {fact.Value}");
        if (facts.Snapshots.Count > 0) output.Line("snapshots:");
        foreach (var snapshot in facts.Snapshots)
            output.Line(string.Create(CultureInfo.InvariantCulture, $"    {snapshot.Id}: {snapshot.Name}, {snapshot.Taken:yyyy-MM-dd HH:mm:ss}Z, {Quantities.Size(snapshot.Length)}"));
        if (facts.Tracks.Count > 0) output.Line("change tracking:");
        foreach (var track in facts.Tracks)
        {
            var granularity = track.Granularity is { } bytes ? $", granularity {bytes}" : "";
            var problem = track.Problem is { } why ? $", not to be trusted: {why}" : "";
            output.Line($"    {Name(track.Kind)} {track.Name}: {Name(track.State)}{granularity}{problem}");
        }

        if (facts.IsDirty) output.Line("dirty: the image was not closed properly");
    }

    /// <summary>Columns of fixed width, written run by run: a fragmented disk has millions of them.</summary>
    public static void Map(IEnumerable<MapExtent> map, TextWriter writer)
    {
        writer.WriteLine($"{"Offset",-16}  {"Length",-16}  {"State",-11}  {"Depth",5}  Mapped to");
        foreach (var extent in map)
            writer.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Hex(extent.Offset),-16}  {Hex(extent.Length),-16}  {State(extent.State),-11}  {extent.Depth,5}  {(extent.FileOffset < 0 ? "-" : Hex(extent.FileOffset))}"));
    }

    public static void Changes(IEnumerable<Extent> changes, TextWriter writer)
    {
        writer.WriteLine($"{"Offset",-16}  Length");
        foreach (var extent in changes) writer.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Hex(extent.Offset),-16}  {Hex(extent.Length)}"));
    }

    public static string Name(ChangeTrackKind kind) => kind switch
    {
        ChangeTrackKind.Bitmap => "bitmap",
        ChangeTrackKind.Layer => "layer",
        _ => "file",
    };

    public static string Name(ChangeTrackState state) => state switch
    {
        ChangeTrackState.Recording => "recording",
        ChangeTrackState.Disabled => "disabled",
        ChangeTrackState.InUse => "in-use",
        ChangeTrackState.Inconsistent => "inconsistent",
        _ => "not-interpreted",
    };

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
