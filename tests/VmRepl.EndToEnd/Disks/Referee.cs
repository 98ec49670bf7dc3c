namespace VmRepl.EndToEnd.Disks;

/// <summary>Judges that are not ours.</summary>
internal static class Referee
{
    /// <summary>Both hold the same contents by <c>qemu-img compare</c>.</summary>
    /// <param name="gotFormat">Null where <paramref name="got"/> is a description that names its own.</param>
    public static void Equal(string want, string wantFormat, string got, string? gotFormat)
    {
        string[] second = gotFormat is null ? [] : ["-F", gotFormat];
        var (status, output, error) = ExternalTool.Try("qemu-img", ["compare", "-f", wantFormat, .. second, want, got]);
        Assert.That(status, Is.Zero, $"{got} is not {want}: {output} {error}");
    }

    /// <summary>The ext4 file system in a raw file is clean by <c>e2fsck -fn</c>.</summary>
    public static void CleanFileSystem(string raw)
    {
        var (status, output, error) = ExternalTool.Try("e2fsck", "-fn", raw);
        Assert.That(status, Is.Zero, $"{raw}: {output} {error}");
    }
}
