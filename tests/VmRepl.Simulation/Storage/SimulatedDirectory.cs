using VmRepl.Blocks.Files;

namespace VmRepl.Simulation.Storage;

/// <summary>A directory of a <see cref="SimulatedVolume"/>, found anew by its path at each call.</summary>
public sealed class SimulatedDirectory : IHostDirectory
{
    private readonly SimulatedVolume volume;
    private readonly IReadOnlyList<string> path;
    private readonly int life;

    internal SimulatedDirectory(SimulatedVolume volume, IReadOnlyList<string> path)
    {
        this.volume = volume;
        this.path = path;
        life = volume.Life;
    }

    public string Path => "/" + string.Join('/', path);

    public bool Exists => Find() is not null;

    public long FreeBytes => Math.Max(0, volume.CapacityBytes - volume.UsedBytes);

    public IHostFile Open(string name, HostFileAccess access)
    {
        volume.RequireUp(life);
        var node = Here;
        if (access == HostFileAccess.CreateNew)
        {
            if (node.Names.ContainsKey(name)) throw new IOException($"{Path}/{name} exists");
            var inode = new SimulatedInode(volume);
            volume.Change(life, () => node.Link(name, inode));
            return new SimulatedFile(volume, inode, $"{Path}/{name}", isReadOnly: false);
        }

        return node.Names.GetValueOrDefault(name) is SimulatedInode found
            ? new SimulatedFile(volume, found, $"{Path}/{name}", access == HostFileAccess.Read)
            : throw new FileNotFoundException($"{Path}/{name} does not exist");
    }

    public IHostMemory Map(string name)
    {
        volume.RequireUp(life);
        return Here.Names.GetValueOrDefault(name) is SimulatedInode found ? new SimulatedMemory(volume, found, $"{Path}/{name}") : throw new FileNotFoundException($"{Path}/{name} does not exist");
    }

    public bool FileExists(string name) => Find()?.Names.GetValueOrDefault(name) is SimulatedInode;

    public long AllocatedBytes(string name) => Find()?.Names.GetValueOrDefault(name) is SimulatedInode found ? found.AllocatedBytes : throw new FileNotFoundException($"{Path}/{name} does not exist");

    public IReadOnlyList<string> ListFiles() => [.. Here.Names.Where(n => n.Value is SimulatedInode).Select(n => n.Key)];

    public IReadOnlyList<string> ListDirectories() => [.. Here.Names.Where(n => n.Value is SimulatedNode).Select(n => n.Key)];

    public IHostDirectory Directory(string name) => new SimulatedDirectory(volume, [.. path, name]);

    public void Create()
    {
        var node = volume.Root;
        foreach (var name in path)
        {
            if (!node.Names.TryGetValue(name, out var next))
            {
                var parent = node;
                var made = new SimulatedNode();
                volume.Change(life, () => parent.Link(name, made));
                next = made;
            }

            node = (SimulatedNode)next;
        }
    }

    public void Rename(string from, string to)
    {
        var node = Here;
        if (!node.Names.ContainsKey(from)) throw new FileNotFoundException($"{Path}/{from} does not exist");
        if (node.Names.GetValueOrDefault(to) is SimulatedInode replaced) volume.Give(replaced.AllocatedBytes);
        volume.BeforeGoing(from);
        volume.Change(life, () => node.Rename(from, to));
    }

    public void Delete(string name)
    {
        var node = Here;
        if (node.Names.GetValueOrDefault(name) is not SimulatedInode inode) return;
        volume.Give(inode.AllocatedBytes);
        volume.BeforeGoing(name);
        volume.Change(life, () => node.Unlink(name));
    }

    public void DeleteTree()
    {
        var parent = (SimulatedNode?)path.Take(path.Count - 1).Aggregate((object?)volume.Root, (node, name) => (node as SimulatedNode)?.Names.GetValueOrDefault(name));
        if (parent is null || Find() is not { } node) return;
        foreach (var file in node.AllFiles()) volume.Give(file.AllocatedBytes);
        volume.Change(life, () => parent.Unlink(path[^1]));
    }

    public void Flush()
    {
        var node = Here;
        volume.Change(life, () =>
        {
            if (!volume.IsLosingFlushes) node.Flush();
        });
    }

    /// <summary>Whether there is a byte at that offset that can change: none is in a hole, nor behind the end.</summary>
    public bool IsStored(string name, long offset) => Here.Names.GetValueOrDefault(name) is SimulatedInode inode && offset < inode.Length && !inode.IsHole(offset / SimulatedPage.Bytes);

    /// <summary>A file's contents, whatever is up or down.</summary>
    public byte[] Contents(string name)
    {
        var inode = (SimulatedInode)Here.Names[name];
        var contents = new byte[inode.Length];
        _ = inode.Read(0, contents);
        return contents;
    }

    /// <summary>The same into memory of the caller's, as long as the file.</summary>
    public void CopyContents(string name, Span<byte> target) => _ = ((SimulatedInode)Here.Names[name]).Read(0, target);

    /// <summary>Flips one bit of a file, in the cache and on the medium, and flushes nothing by it.</summary>
    public void FlipBit(string name, long offset, int bit) => ((SimulatedInode)Here.Names[name]).FlipBit(offset, bit);

    private SimulatedNode Here => Find() ?? throw new DirectoryNotFoundException($"{Path} does not exist");

    private SimulatedNode? Find()
    {
        volume.RequireUp(life);
        object? at = volume.Root;
        foreach (var name in path) at = (at as SimulatedNode)?.Names.GetValueOrDefault(name);
        return at as SimulatedNode;
    }
}
