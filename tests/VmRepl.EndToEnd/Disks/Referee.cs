namespace VmRepl.EndToEnd.Disks;

/// <summary>Judges that are not ours.</summary>
internal static class Referee
{
    /// <summary>Both hold the same contents by <c>qemu-img compare</c>.</summary>
    public static void Equal(string want, string wantFormat, string got, string gotFormat)
    {
        var (status, output, error) = ExternalTool.Try("qemu-img", null, "compare", "-f", wantFormat, "-F", gotFormat, want, got);
        Assert.That(status, Is.Zero, $"{got} is not {want}: {output} {error}");
    }

    /// <summary>The ext4 file system in a raw file is clean by <c>e2fsck -fn</c>.</summary>
    public static void CleanFileSystem(string raw)
    {
        var (status, output, error) = ExternalTool.Try("e2fsck", null, "-fn", raw);
        Assert.That(status, Is.Zero, $"{raw}: {output} {error}");
    }
}
