using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Blocks.Scratch;
using VmRepl.Journal.Limits;

namespace VmRepl.Journal.Views;

/// <summary>
/// A <see cref="GroupView"/> that may be written: each disk has a scratch layer of its own, in a file that goes when this is disposed. The view below, the live images and the journal stay as they are,
/// and other layers over the same view see nothing of it. When the view gives way at a hard limit, every request ends in a <see cref="ViewClosedException"/>, also for what was written here.
/// </summary>
public sealed class ScratchView : IDisposable
{
    private readonly IHostDirectory directory;
    private readonly Dictionary<uint, IBlockDevice> disks = [];
    private readonly List<string> files = [];

    /// <param name="view">Is its owner's to dispose, after this.</param>
    /// <param name="directory">Is made where it is not there.</param>
    /// <exception cref="IOException">A file could not be made; none is left.</exception>
    internal ScratchView(GroupView view, RangeHold hold, IHostDirectory directory)
    {
        View = view;
        this.directory = directory;
        directory.Create();
        try
        {
            foreach (var disk in view.Description.Disks) disks.Add(disk.Id, CreateLayer(view.Disks[disk.Id], CreateFile(disk.Name), hold));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>What it is a layer over.</summary>
    public GroupView View { get; }

    /// <summary>The disks by id.</summary>
    public IReadOnlyDictionary<uint, IBlockDevice> Disks => disks;

    /// <summary>Closes the disks and removes their files.</summary>
    public void Dispose()
    {
        foreach (var disk in disks.Values) disk.Dispose();
        foreach (var file in files) directory.Delete(file);
        files.Clear();
    }

    private static ScratchDevice CreateLayer(PointInTimeView below, IHostFile file, RangeHold hold)
    {
        try
        {
            return new ScratchDevice(below, file, ownsBelow: false, hold.ThrowIfClosed);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Several layers may share a directory: the first number that is free is taken.</summary>
    private IHostFile CreateFile(string disk)
    {
        for (var number = 1; ; number++)
        {
            var name = $"scratch-{number}-{disk}";
            if (directory.FileExists(name)) continue;
            IHostFile file;
            try
            {
                file = directory.Open(name, HostFileAccess.CreateNew);
            }
            catch (IOException) when (directory.FileExists(name))
            {
                // Another layer took it in between.
                continue;
            }

            files.Add(name);
            return file;
        }
    }
}
