using VmRepl.Blocks;
using VmRepl.Blocks.Decorators;
using VmRepl.Journal.Points;
using VmRepl.Journal.Store;
using VmRepl.Journal.Views;

namespace VmRepl.Replication.Replica.Attachments;

/// <summary>A group as of a point that is served until somebody detaches it. It holds its point in the range; where it is writable, what is written goes to scratch files that go with it.</summary>
public sealed class Attachment : IDisposable
{
    private readonly Dictionary<string, ClosableDevice> disks = new(StringComparer.Ordinal);

    internal Attachment(uint id, GroupView view, ScratchView? scratch)
    {
        Id = id;
        View = view;
        Scratch = scratch;
        foreach (var disk in view.Description.Disks)
            disks.Add(disk.Name, new ClosableDevice(Layer(disk), $"attachment {id} of group {view.Description.Name}"));
    }

    /// <summary>Its number at this replica; never used twice.</summary>
    public uint Id { get; }

    public string Group => View.Description.Name;

    public RecoveryPoint Point => View.Point;

    public bool IsWritable => Scratch is not null;

    public IReadOnlyList<DiskDescription> Disks => View.Description.Disks;

    internal GroupView View { get; }

    internal ScratchView? Scratch { get; }

    /// <summary>The disk of that name; null where there is none. Good until this is disposed: then its requests fail.</summary>
    public IBlockDevice? Disk(string name) => disks.GetValueOrDefault(name);

    /// <summary>The disk as it is below the requests of clients, for as long as this is not disposed.</summary>
    internal IBlockDevice Layer(DiskDescription disk) => Scratch?.Disks[disk.Id] ?? View.Disks[disk.Id];

    /// <summary>Ends the clients' requests: nothing is read or written through this any more.</summary>
    internal void Close()
    {
        foreach (var disk in disks.Values) disk.Dispose();
    }

    public void Dispose()
    {
        Close();
        Scratch?.Dispose();
        View.Dispose();
    }
}
