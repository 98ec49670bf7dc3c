using VmRepl.Blocks;
using VmRepl.Images.Opening;
using VmRepl.Images.Tests.Variants;

namespace VmRepl.Images.Tests.Vhdx;

/// <summary>Logs left behind by a crash, forged into files of QEMU; its own replay says what they mean.</summary>
internal sealed class VhdxLogTests
{
    private const int MiB = 1 << 20;
    private static readonly Guid LogGuid = new("11111111-2222-3333-4444-555555555555");
    private readonly TestFolder folder = new();
    private byte[] pristine = [];

    [OneTimeSetUp]
    public void MakeFile()
    {
        if (!File.Exists("/usr/bin/qemu-io")) return;
        var path = folder.File("pristine.vhdx");
        ExternalTool.Run("qemu-img", "create", "-q", "-f", "vhdx", "-o", "block_size=1M", path, "6M");
        ExternalTool.Run("qemu-io", "-f", "vhdx", "-c", "write -P 1 0 1M", "-c", "write -P 2 1M 1M", "-c", "write -P 3 4M 1M", path);
        pristine = File.ReadAllBytes(path);
    }

    [OneTimeTearDown]
    public void RemoveFolder() => folder.Dispose();

    [Variant("VHDX", "log replay, into memory read-only and into the file: wrapped, torn, stale, foreign and zero entries", Referee = "generator, qemu-io")]
    [TestCase("one entry")]
    [TestCase("wrapped entry")]
    [TestCase("two entries, the later wins")]
    [TestCase("torn newer entry")]
    [TestCase("older sequence elsewhere")]
    [TestCase("entry of another log behind")]
    [TestCase("zeros")]
    [TestCase("zeros, then data over them")]
    public void Open_WithALogToReplay_ReadsWhatQemuReplays(string which)
    {
        ExternalTool.Require("qemu-img", "qemu-io");
        var path = folder.File($"{Guid.NewGuid():n}.vhdx");
        var forged = Forge(which);
        File.WriteAllBytes(path, forged);
        var judged = folder.File($"{Guid.NewGuid():n}.vhdx");
        File.WriteAllBytes(judged, forged);
        ExternalTool.Run("qemu-io", "-f", "vhdx", "-c", "read 0 512", judged);
        var expected = DiskContents.ReadByQemu(folder, "vhdx", judged);

        using (var image = DiskImages.Open(path))
        {
            DiskContents.RequireSame(DiskContents.ReadAll(image), expected, "laid over");
            Assert.That(image.Description.Details["log"], Is.EqualTo("replayed"));
            foreach (var hole in DiskContents.DataOf(image, 0, image.Length).Gaps(new Extent(0, image.Length)))
                Assert.That(Sectors.IsZero(expected.AsSpan((int)hole.Offset, (int)hole.Length)), $"{hole}");
        }

        DiskContents.RequireSame(File.ReadAllBytes(path), forged, "a reader writes nothing");
        using (var image = DiskImages.Open(path, new ImageOpenOptions { Writable = true })) DiskContents.RequireSame(DiskContents.ReadAll(image), expected, "replayed");
        DiskContents.RequireSame(DiskContents.ReadByQemu(folder, "vhdx", path), expected, "and qemu finds no log any more");
    }

    [Test]
    public void Replay_OfOurOwnUnclosedFile_IsReadTheSameByQemu()
    {
        ExternalTool.Require("qemu-img", "qemu-io");
        var path = folder.File("own.vhdx");
        var expected = new byte[30 * MiB];
        using (var image = DiskImages.Create(path, ImageFormat.Vhdx, expected.Length))
        {
            for (var i = 0; i < 4; i++)
            {
                var bytes = DiskContents.Random(i, 3 * MiB);
                image.Write(i * 7 * MiB, bytes);
                bytes.CopyTo(expected, i * 7 * MiB);
                image.Flush();
            }

            File.Copy(path, path + ".crashed");
        }

        // The copy is as a crash leaves it: the log claimed. The table in place is put back, so that the log alone has the last commit.
        var crashed = path + ".crashed";
        var forge = new VhdxForge(File.ReadAllBytes(crashed));
        for (var i = 21; i < 24; i++) forge.SetBatEntry(i, 0);
        File.WriteAllBytes(crashed, forge.File);
        using (var image = DiskImages.Open(crashed)) DiskContents.RequireSame(DiskContents.ReadAll(image), expected);
        ExternalTool.Run("qemu-io", "-f", "vhdx", "-c", "read 0 512", crashed);
        DiskContents.RequireSame(DiskContents.ReadByQemu(folder, "vhdx", crashed), expected, "qemu");
    }

    [TestCase("in use and empty", "with a valid sequence of")]
    [TestCase("target in the headers", "log descriptor")]
    [TestCase("target in the log", "log descriptor")]
    [TestCase("target behind the end", "log descriptor")]
    [TestCase("truncated file", "truncated")]
    public void Open_WithAHostileLog_IsRefusedByATypedErrorAndNothingIsWritten(string which, string reason)
    {
        ExternalTool.Require("qemu-img", "qemu-io");
        var forge = new VhdxForge([.. pristine]);
        forge.SetLogGuid(LogGuid);
        var sector = forge.BatSector();
        if (which == "target in the headers") forge.PutLogEntry(0, 1, LogGuid, 0, (0x10000, sector));
        if (which == "target in the log") forge.PutLogEntry(0, 1, LogGuid, 0, (forge.LogOffset + 8192, sector));
        if (which == "target behind the end") forge.PutLogEntry(0, 1, LogGuid, 0, (forge.File.Length + MiB, sector));
        if (which == "truncated file") forge.PutLogEntry(0, 1, LogGuid, 0, (forge.Bat, sector));
        var bytes = which == "truncated file" ? forge.File[..^MiB] : forge.File;
        var path = folder.File($"{Guid.NewGuid():n}.vhdx");
        File.WriteAllBytes(path, bytes);
        foreach (var writable in new[] { false, true })
        {
            Assert.That(() => DiskImages.Open(path, new ImageOpenOptions { Writable = writable }), Throws.TypeOf<ImageFormatException>().With.Message.Contains(reason));
            DiskContents.RequireSame(File.ReadAllBytes(path), bytes);
        }
    }

    /// <summary>The table in place lacks block 1; the log has it, in the way asked for.</summary>
    private byte[] Forge(string which)
    {
        var forge = new VhdxForge([.. pristine]);
        var whole = forge.BatSector();
        forge.SetBatEntry(1, 0);
        var lacking = forge.BatSector();
        forge.SetLogGuid(LogGuid);
        var other = forge.BatSector();
        other.AsSpan(32, 8).Clear();
        switch (which)
        {
            case "one entry":
                forge.PutLogEntry(0, 5, LogGuid, 0, (forge.Bat, whole));
                break;
            case "wrapped entry":
                forge.PutLogEntry(forge.LogLength - 4096, 5, LogGuid, forge.LogLength - 4096, (forge.Bat, whole));
                break;
            case "two entries, the later wins":
                var next = forge.PutLogEntry(4096, 5, LogGuid, 4096, (forge.Bat, other));
                forge.PutLogEntry(next, 6, LogGuid, 4096, (forge.Bat, whole));
                break;
            case "torn newer entry":
                var torn = forge.PutLogEntry(0, 5, LogGuid, 0, (forge.Bat, whole));
                forge.PutLogEntry(torn, 6, LogGuid, 0, (forge.Bat, lacking));
                forge.File[forge.LogOffset + torn + 5000] ^= 1;
                break;
            case "older sequence elsewhere":
                forge.PutLogEntry(65536, 3, LogGuid, 65536, (forge.Bat, lacking));
                forge.PutLogEntry(0, 9, LogGuid, 0, (forge.Bat, whole));
                break;
            case "entry of another log behind":
                var foreign = forge.PutLogEntry(0, 5, LogGuid, 0, (forge.Bat, whole));
                forge.PutLogEntry(foreign, 6, Guid.NewGuid(), 0, (forge.Bat, lacking));
                break;
            case "zeros":
                forge.PutLogEntry(0, 5, LogGuid, 0, (forge.Bat, null));
                break;
            default:
                forge.PutLogEntry(0, 5, LogGuid, 0, (forge.Bat, null), (forge.Bat, whole));
                break;
        }

        return forge.File;
    }
}
