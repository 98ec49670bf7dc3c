namespace VmRepl.Replication.Tests.Stage;

/// <summary>Random changes to disks.</summary>
internal static class Contents
{
    /// <summary>Writes, zeros and punches up to 20 KiB at so many places, at any sector.</summary>
    public static void Scribble(DiskFile disk, Random random, int times)
    {
        for (var i = 0; i < times; i++)
        {
            var sectors = (int)Math.Min(random.Next(1, 40), disk.Disk.Length / 512);
            var offset = 512 * random.NextInt64(0, (disk.Disk.Length / 512) - sectors + 1);
            var kind = random.Next(6);
            if (kind == 0) disk.Punch(offset, sectors * 512);
            else if (kind == 1) disk.Write(offset, new byte[sectors * 512]);
            else disk.Fill(offset, sectors * 512, random);
        }
    }
}
