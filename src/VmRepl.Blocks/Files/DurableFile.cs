namespace VmRepl.Blocks.Files;

/// <summary>Small files that are replaced whole: a crash leaves the old contents or the new ones.</summary>
public static class DurableFile
{
    private const string NewSuffix = ".new";

    /// <summary>Largest file that <see cref="TryRead"/> takes: 16 MiB.</summary>
    public const int BytesMax = 16 << 20;

    /// <summary>Writes <paramref name="contents"/> under <paramref name="name"/>; durable on return.</summary>
    public static void Replace(IHostDirectory directory, string name, ReadOnlySpan<byte> contents)
    {
        var fresh = name + NewSuffix;
        if (directory.FileExists(fresh)) directory.Delete(fresh);
        using (var file = directory.Open(fresh, HostFileAccess.CreateNew))
        {
            file.Write(0, contents);
            file.Flush();
        }

        directory.Rename(fresh, name);
        directory.Flush();
    }

    /// <summary>The whole file, or null where there is none.</summary>
    /// <exception cref="IOException">It is larger than <see cref="BytesMax"/>.</exception>
    public static byte[]? TryRead(IHostDirectory directory, string name)
    {
        if (!directory.FileExists(name)) return null;
        using var file = directory.Open(name, HostFileAccess.Read);
        if (file.Length > BytesMax) throw new IOException($"{file.Path}: is {file.Length} bytes, at most {BytesMax} were expected");
        var contents = new byte[file.Length];
        file.ReadExactly(0, contents);
        return contents;
    }
}
