using VmRepl.Images.Tests.Vhdx;

namespace VmRepl.Images.Tests.Overlays;

/// <summary>
/// A flush of a differencing VHDX that has more changed pages than one entry of the log holds, cut at any step: bitmaps reach the file before the table, and the entry of a bitmap not behind
/// the entries of blocks that need it, so whatever part of the flush is there, every sector is the old one or the new one. The bitmaps are full of bits that somebody left.
/// </summary>
internal sealed class VhdxCommitOrderTests
{
    private const int Sector = 512, MiB = 1 << 20;

    // A sector of the table speaks for 512 MiB, and an entry of the log holds 124 sectors: so many blocks, each with a sector of its own in the table and in a bitmap.
    private const long Spacing = 513L * MiB;
    private const int Blocks = 130;

    [Test]
    public void Flush_InSeveralLogEntries_CutAtAnyStep_LeavesOldOrNewSectors()
    {
        const long length = Blocks * Spacing;
        var parent = CrashTrial.Base(ImageFormat.Vhdx, length, image =>
        {
            for (var i = 0; i < Blocks; i++) image.Write(i * Spacing, DiskContents.Random(1000 + i, 3 * Sector));
        });
        var random = new Random(5);
        var file = new CrashFile(WithStaleBits(parent, length));
        var image = CrashTrial.Open(ImageFormat.Vhdx, file, writable: true, parent);
        for (var i = 0; i < Blocks; i++) image.Write(i * Spacing, New(i));
        var (crashes, olds, news, changes) = (0, 0, 0, 0);
        file.BeforeChange = () =>
        {
            if (changes++ % 24 != 0) return;
            crashes++;
            using var survivor = CrashTrial.Open(ImageFormat.Vhdx, new CrashFile(file.AfterCrash(random)) { IsReadOnly = true }, writable: false, parent);
            Assert.That(survivor.Check().Where(f => f.IsDamage), Is.Empty, $"crash {crashes}");
            for (var i = 0; i < Blocks; i++)
            {
                var found = new byte[3 * Sector];
                survivor.Read(i * Spacing, found);
                var old = DiskContents.Random(1000 + i, 3 * Sector);
                Assert.That(found.AsSpan(Sector).SequenceEqual(old.AsSpan(Sector)), $"crash {crashes}, block {i}: a sector that was not written is not the parent's");
                if (found.AsSpan(0, Sector).SequenceEqual(New(i))) news++;
                else if (found.AsSpan(0, Sector).SequenceEqual(old.AsSpan(0, Sector))) olds++;
                else Assert.Fail($"crash {crashes}: block {i} is neither old nor new");
            }
        };
        image.Flush();
        file.BeforeChange = null;
        image.Dispose();
        Assert.That(crashes, Is.GreaterThan(5));
        Assert.That((olds > 0, news > 0), Is.EqualTo((true, true)), "both were seen");
    }

    /// <summary>An overlay that has a bitmap for every fourth chunk, with all bits set, though its blocks are not present.</summary>
    private static byte[] WithStaleBits(byte[] parent, long length)
    {
        var file = new CrashFile([]);
        CrashTrial.Create(ImageFormat.Vhdx, file, length, parent).Dispose();
        var forge = new VhdxForge(file.Contents);
        const int ratio = 4096;
        var ones = new byte[MiB];
        ones.AsSpan().Fill(0xFF);
        for (var chunk = 0; chunk * 4096L * MiB < length; chunk += 4)
        {
            var place = forge.AddMiB(ones);
            forge.SetBatEntry((chunk * (ratio + 1)) + ratio, (ulong)place | 6);
        }

        return forge.File;
    }

    private static byte[] New(int block) => DiskContents.Random(block, Sector);
}
