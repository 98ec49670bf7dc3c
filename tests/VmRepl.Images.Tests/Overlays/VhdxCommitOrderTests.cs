namespace VmRepl.Images.Tests.Overlays;

/// <summary>
/// A flush of a differencing VHDX that has more changed pages than one entry of the log holds, cut at any step: bitmaps reach the file before the table, and the entry of a bitmap not behind
/// the entries of blocks that need it, so whatever part of the flush is there, every sector is the old one or the new one.
/// </summary>
internal sealed class VhdxCommitOrderTests
{
    private const int Sector = 512;

    // A page of a sector bitmap speaks for 16 MiB of disk, and an entry of the log holds 124 pages: so many blocks, each with a page of its own.
    private const long Spacing = 16 << 20;
    private const int Blocks = 132;

    [Test]
    public void Flush_InSeveralLogEntries_CutAtAnyStep_LeavesOldOrNewSectors()
    {
        var parent = CrashTrial.Base(ImageFormat.Vhdx, [], Blocks * Spacing);
        var random = new Random(5);
        var file = new CrashFile([]);
        var image = CrashTrial.Create(ImageFormat.Vhdx, file, Blocks * Spacing, parent);
        for (var i = 0; i < Blocks; i++) image.Write(i * Spacing, New(i));
        var (crashes, olds, news) = (0, 0, 0);
        var flushes = 0;
        file.BeforeChange = () =>
        {
            // Around every barrier, and at some of the writes between.
            if (flushes++ % 24 != 0) return;
            crashes++;
            using var survivor = CrashTrial.Open(ImageFormat.Vhdx, new CrashFile(file.AfterCrash(random)) { IsReadOnly = true }, writable: false, parent);
            Assert.That(survivor.Check().Where(f => f.IsDamage), Is.Empty, $"crash {crashes}");
            for (var i = 0; i < Blocks; i++)
            {
                var found = new byte[3 * Sector];
                survivor.Read(i * Spacing, found);
                Assert.That(found.AsSpan(Sector).IndexOfAnyExcept((byte)0), Is.EqualTo(-1), "a sector that was not written is the parent's");
                if (found.AsSpan(0, Sector).SequenceEqual(New(i))) news++;
                else if (found.AsSpan(0, Sector).IndexOfAnyExcept((byte)0) < 0) olds++;
                else Assert.Fail($"crash {crashes}: block {i} is neither old nor new");
            }
        };
        image.Flush();
        file.BeforeChange = null;
        image.Dispose();
        Assert.That(crashes, Is.GreaterThan(5));
        Assert.That((olds > 0, news > 0), Is.EqualTo((true, true)), "both were seen");
    }

    private static byte[] New(int block) => DiskContents.Random(block, Sector);
}
