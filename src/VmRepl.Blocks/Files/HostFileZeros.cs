namespace VmRepl.Blocks.Files;

/// <summary>Zeros in a file, however the volume has them.</summary>
public static class HostFileZeros
{
    private const int AtOnce = 1 << 20;

    /// <summary>Makes a range zeros: a hole where the volume can, written otherwise; a range behind the end makes the file longer only if it is written.</summary>
    /// <returns>Whether it is a hole.</returns>
    /// <exception cref="IOException">The volume has no holes and no room, or failed.</exception>
    public static bool Clear(this IHostFile file, long offset, long length)
    {
        if (length <= 0 || file.TryPunch(offset, length)) return true;
        file.WriteZeros(offset, length);
        return false;
    }

    /// <summary>Writes zeros, for ranges that are not to be a hole or that the volume just refused.</summary>
    public static void WriteZeros(this IHostFile file, long offset, long length)
    {
        var zeros = new byte[(int)Math.Min(length, AtOnce)];
        for (long done = 0; done < length; done += zeros.Length) file.Write(offset + done, zeros.AsSpan(0, (int)Math.Min(zeros.Length, length - done)));
    }
}
