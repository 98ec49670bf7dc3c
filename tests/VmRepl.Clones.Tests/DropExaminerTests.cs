using VmRepl.Blocks.Files;
using VmRepl.Clones.Drops;
using VmRepl.Clones.Matching;
using VmRepl.Images;

namespace VmRepl.Clones.Tests;

/// <summary>What a dropped file is found to be. Real files; nothing is sent.</summary>
[Platform("Linux")]
public class DropExaminerTests
{
    private const int MiB = DropStage.MiB;

    private static void RequireQuarantined(DroppedFile file, string reason) => Require(file, DropState.Quarantined, reason);

    private static void Require(DroppedFile file, DropState state, string reason)
    {
        Assert.That(file.State, Is.EqualTo(state), file.Reason);
        Assert.That(file.Reason, Does.Contain(reason));
    }

    [TestCase(ImageFormat.Raw)]
    [TestCase(ImageFormat.Qcow2)]
    [TestCase(ImageFormat.Vhdx)]
    [TestCase(ImageFormat.Vmdk)]
    [TestCase(ImageFormat.Vhd)]
    public void Copy_InAnyFormat_IsCloneOfWhatItIsLike(ImageFormat format)
    {
        using var stage = new DropStage();
        stage.Protect("mail", DropStage.Contents(1));
        stage.Protect("web", DropStage.Contents(2), ImageFormat.Qcow2);
        var copy = DropStage.Contents(2);
        // Every eighth block of 4 KiB is another: hardly a sample is whole, and most of each is.
        for (var at = 0; at < copy.Length; at += 8 * 4096) copy[at] ^= 0xff;
        DropStage.Make(stage.Drop("copy"), copy, format);
        var found = stage.Examine("copy");
        Assert.That((found.State, found.Base?.Owner, found.Base?.Disk, found.Base?.Seed, found.Image?.Format), Is.EqualTo((DropState.Copying, "web", "sda", "group:web/sda", format)), found.Reason);
        Assert.That(found.Base!.How, Does.StartWith("web/sda, ").And.EndWith("sampled blocks"));
    }

    [Test]
    public void Copy_ThatGrew_IsStillOne()
    {
        using var stage = new DropStage();
        stage.Protect("web", DropStage.Contents(2));
        DropStage.Make(stage.Drop("copy"), [.. DropStage.Contents(2), .. new byte[4 * MiB]], ImageFormat.Vhdx);
        Assert.That(stage.Examine("copy").Base?.Owner, Is.EqualTo("web"));
    }

    [Test]
    public void CloneOfClone_BeginsFromTheOneThatIsNearer()
    {
        using var stage = new DropStage();
        stage.Protect("web", DropStage.Contents(2));
        var changed = DropStage.Contents(2);
        new Random(3).NextBytes(changed.AsSpan(2 * MiB, MiB));
        DropStage.Make(stage.Drop("first"), changed, ImageFormat.Qcow2);
        var first = stage.Examine("first") with { State = DropState.Protected };
        changed[4 * MiB] ^= 1;
        DropStage.Make(stage.Drop("second"), changed, ImageFormat.Vmdk);
        var second = stage.Examine("second", first);
        Assert.That((second.Base?.Owner, second.Base?.Seed), Is.EqualTo(("web", $"group:{first.CloneGroup}/sda")));
    }

    [Test]
    public void Overlay_OverProtectedDisk_IsCloneByItsBackingFile()
    {
        using var stage = new DropStage();
        stage.Protect("mail", DropStage.Contents(1));
        var disk = stage.Protect("web", DropStage.Contents(2));
        Overlay(stage, "over", disk.File, ImageFormat.Raw);
        Assert.That(stage.Examine("over").Base, Is.EqualTo(new CloneBase("web", "sda", "group:web/sda", "web/sda, its backing file", "over")));
    }

    [Test]
    public void Overlay_OverFileBesideAProtectedDisk_IsQuarantinedUnread()
    {
        using var stage = new DropStage();
        stage.Protect("web", DropStage.Contents(2));
        var secret = DropStage.Make(Path.Combine(stage.Vms, "secret"), DropStage.Contents(2));
        Overlay(stage, "over", secret, ImageFormat.Raw);
        RequireQuarantined(stage.Examine("over"), "neither in the drop directory nor a file of a protected disk");
    }

    [Test]
    public void Overlay_OverFileElsewhere_IsQuarantinedUnread()
    {
        using var stage = new DropStage();
        stage.Protect("web", DropStage.Contents(2));
        Directory.CreateDirectory(Path.Combine(stage.Vms, "below"));
        Overlay(stage, "over", DropStage.Make(Path.Combine(Path.GetDirectoryName(stage.Vms)!, "elsewhere"), DropStage.Contents(2)), ImageFormat.Raw);
        RequireQuarantined(stage.Examine("over"), "outside the directories");
    }

    [Test]
    public void Overlay_OverOneGroupsDiskThatLooksLikeAnothers_IsCloneOfItsBackingFilesOwner()
    {
        using var stage = new DropStage();
        var mail = stage.Protect("mail", DropStage.Contents(1));
        stage.Protect("web", DropStage.Contents(2));
        Overlay(stage, "over", mail.File, ImageFormat.Raw, DropStage.Contents(2));
        Assert.That(stage.Examine("over").Base?.Owner, Is.EqualTo("mail"), "what it holds of mail is mail's");
    }

    [Test]
    public void Overlay_OverWhatIsBehindOneGroupsDiskAndLooksLikeAnothers_IsQuarantined()
    {
        using var stage = new DropStage();
        var template = DropStage.Make(Path.Combine(stage.Vms, "template"), DropStage.Contents(1));
        DiskImages.CreateOverlay(Path.Combine(stage.Vms, "mail"), ImageFormat.Qcow2, new ImageCreateOptions { Backing = new ImageBacking(template, ImageFormat.Raw) }).Dispose();
        stage.Disks.Disks.Add(new ProtectedDisk("mail", "sda", Path.Combine(stage.Vms, "mail"), ImageFormat.Qcow2, 8 * MiB, []));
        stage.Protect("web", DropStage.Contents(2));
        Overlay(stage, "over", template, ImageFormat.Raw, DropStage.Contents(2));
        RequireQuarantined(stage.Examine("over"), "another group's");
    }

    [Test]
    public void Overlay_OverDroppedFile_IsComparedWithItsContents()
    {
        using var stage = new DropStage();
        stage.Protect("web", DropStage.Contents(2));
        DropStage.Make(stage.Drop("base"), DropStage.Contents(2), ImageFormat.Vhdx);
        DiskImages.CreateOverlay(stage.Drop("over"), ImageFormat.Qcow2, new ImageCreateOptions { Backing = new ImageBacking("base", ImageFormat.Vhdx) }).Dispose();
        Assert.That(stage.Examine("over").Base?.Owner, Is.EqualTo("web"));
    }

    [Test]
    public void File_ThatIsNoImage_IsQuarantinedWithTheReason()
    {
        using var stage = new DropStage();
        stage.Protect("web", DropStage.Contents(2));
        File.WriteAllText(stage.Drop("notes"), string.Join('\n', Enumerable.Repeat("no image", 200)));
        File.WriteAllBytes(stage.Drop("empty"), []);
        File.WriteAllBytes(stage.Drop("odd"), new byte[513]);
        File.WriteAllBytes(stage.Drop("corrupt"), [.. "QFI"u8, 0xfb, 0, 0, 0, 3, .. new byte[8000]]);
        DropStage.Make(stage.Drop("strange"), DropStage.Contents(9), ImageFormat.Qcow2);
        DropStage.Make(stage.Drop("zeros"), new byte[8 * MiB], ImageFormat.Qcow2);
        Assert.Multiple(() =>
        {
            RequireQuarantined(stage.Examine("notes"), "no disk image");
            RequireQuarantined(stage.Examine("empty"), "empty");
            RequireQuarantined(stage.Examine("odd"), "no disk image");
            RequireQuarantined(stage.Examine("corrupt"), "no disk image that can be read");
            RequireQuarantined(stage.Examine("strange"), "not a clone of anything protected");
            RequireQuarantined(stage.Examine("zeros"), "nothing but zeros");
        });
    }

    [Test]
    public void RawFile_WithoutPartitionTable_IsCloneOfADiskOfItsLengthOnly()
    {
        using var stage = new DropStage();
        var contents = DropStage.Contents(2);
        contents[510] = 0;
        stage.Protect("web", contents);
        DropStage.Make(stage.Drop("same"), contents);
        DropStage.Make(stage.Drop("longer"), [.. contents, .. new byte[MiB]]);
        Assert.That(stage.Examine("same").Base?.Owner, Is.EqualTo("web"));
        RequireQuarantined(stage.Examine("longer"), "no disk image");
    }

    [Test]
    public void File_ThatIsAProtectedDisk_IsNoClone()
    {
        using var stage = new DropStage();
        var path = DropStage.Make(stage.Drop("disk"), DropStage.Contents(2));
        stage.Disks.Disks.Add(new ProtectedDisk("web", "sda", path, ImageFormat.Raw, 8 * MiB, []));
        RequireQuarantined(stage.Examine("disk"), "protected disk itself");
    }

    [Test]
    public void File_OpenForWriting_Waits()
    {
        using var stage = new DropStage();
        stage.Protect("web", DropStage.Contents(2));
        DropStage.Make(stage.Drop("copy"), DropStage.Contents(2));
        ExternalTool.RequireLeases(Path.GetDirectoryName(stage.Drop("copy"))!);
        using (HostFile.Open(stage.Drop("copy"), HostFileAccess.ReadWrite))
            Assert.That((stage.Examine("copy").State, stage.Examine("copy").Reason), Is.EqualTo((DropState.Waiting, "open for writing")));

        Assert.That(stage.Examine("copy").State, Is.EqualTo(DropState.Copying));
    }

    [Test]
    public void File_ReplacedAfterItWasSeen_IsNotRead()
    {
        using var stage = new DropStage();
        stage.Protect("web", DropStage.Contents(2));
        DropStage.Make(stage.Drop("copy"), DropStage.Contents(2));
        var seen = stage.Seen("copy");
        File.Delete(stage.Drop("copy"));
        File.CreateSymbolicLink(stage.Drop("copy"), Path.Combine(stage.Vms, "web"));
        var found = new DropExaminer(stage.Disks, BaseFiles.Of(stage.Disks.List()), []).Examine(seen);
        Require(found, DropState.Waiting, "something else took its place");
        var files = new DropImageFiles(seen, BaseFiles.Of(stage.Disks.List()));
        Assert.That(() => files.Open(seen.Path, HostFileAccess.Read), Throws.InstanceOf<IOException>());
        Assert.That(() => files.Open("/etc/passwd", HostFileAccess.Read), Throws.InstanceOf<VmRepl.Images.Opening.ReferenceRefusedException>());
    }

    private static void Overlay(DropStage stage, string name, string backing, ImageFormat format, byte[]? contents = null)
    {
        using var image = DiskImages.CreateOverlay(stage.Drop(name), ImageFormat.Qcow2, new ImageCreateOptions { Backing = new ImageBacking(backing, format), Allow = [Path.GetDirectoryName(backing)!] });
        if (contents is not null) image.Write(0, contents);
        else image.Write(MiB, new byte[] { 1, 2, 3 });
        image.Flush();
    }
}
