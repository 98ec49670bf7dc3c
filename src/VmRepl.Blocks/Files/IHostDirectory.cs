namespace VmRepl.Blocks.Files;

/// <summary>A directory that a store lives in. Names are single path components, never paths.</summary>
public interface IHostDirectory
{
    /// <summary>For messages.</summary>
    string Path { get; }

    /// <exception cref="FileNotFoundException">It does not exist (for <see cref="HostFileAccess.Read"/> and <see cref="HostFileAccess.ReadWrite"/>).</exception>
    IHostFile Open(string name, HostFileAccess access);

    /// <summary>The whole of a file as memory; its length is that of now.</summary>
    /// <exception cref="FileNotFoundException">It does not exist.</exception>
    /// <exception cref="IOException">It cannot be mapped: it is empty, or does not end with a page.</exception>
    IHostMemory Map(string name);

    bool FileExists(string name);

    /// <summary>Bytes that the volume has set aside for a file, holes not counted; its length where the system does not say.</summary>
    long AllocatedBytes(string name);

    /// <summary>Names of the files here, in ordinal order.</summary>
    IReadOnlyList<string> ListFiles();

    /// <summary>Names of the directories here, in ordinal order.</summary>
    IReadOnlyList<string> ListDirectories();

    /// <summary>The directory of that name below this one, which need not exist yet.</summary>
    IHostDirectory Directory(string name);

    bool Exists { get; }

    /// <summary>Makes this directory; nothing happens if it is there.</summary>
    void Create();

    /// <summary>Atomically gives <paramref name="from"/> the name <paramref name="to"/>, replacing what had it.</summary>
    void Rename(string from, string to);

    void Delete(string name);

    /// <summary>Removes this directory and everything in it.</summary>
    void DeleteTree();

    /// <summary>Names created, renamed and deleted before are durable when this returns.</summary>
    void Flush();

    /// <summary>Bytes that can still be written on this volume.</summary>
    long FreeBytes { get; }
}
