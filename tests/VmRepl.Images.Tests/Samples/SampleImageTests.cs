using System.Security.Cryptography;
using VmRepl.Blocks;
using VmRepl.Images.Opening;

namespace VmRepl.Images.Tests.Samples;

/// <summary>Golden: the images kept in <c>images/</c> read as qemu-img read them on the day they were made.</summary>
[TestFixture]
public class SampleImageTests
{
    private static IEnumerable<TestCaseData> Formats => SampleDigests.Read().Formats.Select(format => new TestCaseData(format).SetArgDisplayNames(format.File));

    private static IEnumerable<TestCaseData> Disks => SampleDigests.Read().Disks.Select(disk => new TestCaseData(disk).SetArgDisplayNames(disk.Name));

    [TestCaseSource(nameof(Formats))]
    public void Format_Read_HasTheContentsThatQemuSaw(object sample)
    {
        var format = (SampleFormat)sample;
        using var image = DiskImages.Open(Path.Combine(SampleDigests.Folder, format.File));
        Assert.That(ImageFormatNames.Name(image.Format), Is.EqualTo(format.Format));
        Assert.That(image.Length, Is.EqualTo(format.Size));
        Assert.That(Sha256(image), Is.EqualTo(format.Sha256));
        Assert.That(image.Check().Where(finding => finding.IsDamage), Is.Empty);
    }

    [TestCaseSource(nameof(Formats))]
    public void Format_Map_HidesNoData(object sample)
    {
        using var image = DiskImages.Open(Path.Combine(SampleDigests.Folder, ((SampleFormat)sample).File));
        long at = 0;
        foreach (var run in image.Map(0, image.Length))
        {
            Assert.That(run.Offset, Is.EqualTo(at));
            var bytes = new byte[run.Length];
            image.Read(run.Offset, bytes);
            if (!run.HasData) Assert.That(Sectors.IsZero(bytes), Is.True, $"{run}");
            at = run.End;
        }

        Assert.That(at, Is.EqualTo(image.Length));
    }

    [TestCaseSource(nameof(Disks))]
    public void Disk_ChangedByOurWriter_IsAtEachMomentWhatQemuSaw(object sample)
    {
        var disk = (SampleDisk)sample;
        using var folder = new TestFolder();
        var path = folder.File("disk." + disk.Format);
        SampleDigests.CopyTo(disk.File, path);
        AssertContents(path, disk, 0);
        for (var moment = 1; moment < disk.Sha256.Length; moment++)
        {
            using (var image = DiskImages.Open(path, new ImageOpenOptions { Writable = true }))
            {
                foreach (var change in SampleChange.Read(Path.Combine(SampleDigests.Folder, disk.Changes[moment - 1]), disk.Size))
                {
                    if (change.Bytes is not null) image.Write(change.Offset, change.Bytes);
                    else if (moment == 1) image.Zero(change.Offset, change.Length);
                    else image.Punch(change.Offset, change.Length);
                }

                image.Flush();
            }

            AssertContents(path, disk, moment);
        }
    }

    private static void AssertContents(string path, SampleDisk disk, int moment)
    {
        using var image = DiskImages.Open(path);
        Assert.That(ImageFormatNames.Name(image.Format), Is.EqualTo(disk.Format));
        Assert.That(image.Length, Is.EqualTo(disk.Size));
        Assert.That(Sha256(image), Is.EqualTo(disk.Sha256[moment]), $"moment {moment}");
        // QEMU leaves 4 MiB of a VHDX unused: a finding, and no damage.
        Assert.That(image.Check().Where(finding => finding.IsDamage), Is.Empty, $"moment {moment}");
    }

    /// <summary>Of every byte as it reads, holes too: a map that is wrong must not make the digest right.</summary>
    private static string Sha256(IDiskImage image)
    {
        var all = new byte[image.Length];
        image.Read(0, all);
        return Convert.ToHexStringLower(SHA256.HashData(all));
    }
}
