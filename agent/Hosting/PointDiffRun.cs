using VmRepl.Agent.Commands.Arguments;
using VmRepl.Agent.Commands.Image;
using VmRepl.Agent.Output;
using VmRepl.Images;
using VmRepl.Images.Opening;
using VmRepl.Images.Operations;
using VmRepl.Journal.Store;
using VmRepl.Replication.Reading;

namespace VmRepl.Agent.Hosting;

/// <summary><c>vmrepl image diff --group</c>: what a disk has otherwise at one point than at another, as an overlay over an image of the other.</summary>
internal sealed class PointDiffRun(PointDiffArguments arguments, CommandOutput output)
{
    public async Task<int> RunAsync(CancellationToken cancellation)
    {
        NewImage.RefuseExisting(arguments.Target);
        await using var reader = await PastReaders.OpenAsync(arguments.Source, arguments.Group, cancellation);
        await using var before = await reader.OpenAsync(arguments.Group, arguments.Old.ToString()!, cancellation);
        await using var after = await reader.OpenAsync(arguments.Group, arguments.New.ToString()!, cancellation);
        using var backing = DiskImages.Open(arguments.Backing, new ImageOpenOptions { Format = arguments.BackingFormat, Allow = arguments.Allow });
        if (arguments.BackingFormat is null) output.Note($"{arguments.Backing}: probed, the format is {backing.Format.Name()}.");
        var (old, changed) = (before.Open(DiskOf(before)), after.Open(DiskOf(after)));
        return await Task.Run(() => Diff(backing, old, changed, before, cancellation), cancellation);
    }

    /// <summary>An overlay over anything but the contents of the old point would be another disk, so these are compared first.</summary>
    private int Diff(IDiskImage backing, Blocks.IBlockDevice old, Blocks.IBlockDevice changed, IPastView before, CancellationToken cancellation)
    {
        ComparisonResult same = new(false, 0, null);
        output.Progress.Run("Verifying the backing file", Math.Max(backing.Length, old.Length), progress => same = ImageComparer.Compare(backing, old, progress, cancellation));
        if (!same.Equal)
            throw CommandFailure.Refused($"{arguments.Backing} is not the disk as of sequence {before.Point.Sequence}: {same.Reason}.", $"Write that point first: vmrepl restore-vm {arguments.Group} --at {before.Point.Sequence} --to DIR.", arguments.Group);
        var options = BackingOptions.Over(arguments.Target, arguments.Backing, backing.Format, arguments.Allow, output);
        return ImageDiffCommand.Diff(old, changed, arguments.Target, arguments.Format, options, new DiffOptions { Flush = arguments.Flush }, output, cancellation);
    }

    private DiskDescription DiskOf(IPastView view)
    {
        if (arguments.Disk is null && view.Disks is [var only]) return only;
        return view.Disks.FirstOrDefault(d => d.Name == arguments.Disk)
            ?? throw new CommandFailure(
                arguments.Disk is null ? $"Group {arguments.Group} has {view.Disks.Count} disks." : $"Group {arguments.Group} has no disk {arguments.Disk} at sequence {view.Point.Sequence}.",
                $"Name one with --disk: {string.Join(", ", view.Disks.Select(d => d.Name))}.",
                arguments.Group);
    }
}
