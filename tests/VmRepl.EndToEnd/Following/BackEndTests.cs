namespace VmRepl.EndToEnd.Following;

/// <summary>The same disk behind the splitter in every format (mechanism 15): what was answered is in the file, the image's own tables included, when the agent is killed, and the replica is equal.</summary>
internal sealed class BackEndTests
{
    private const string Group = "vm";

    [Test]
    public void Agent_Killed_HasWhatWasAnsweredInTheFile([Values("raw", "qcow2", "vhdx", "vmdk", "vhd")] string format)
    {
        using var pair = new FollowedPair();
        pair.Protect(Group, "async", ("sda", format, 64));
        var file = pair.DiskFile(Group, "sda");
        using var guest = new Guest(() => pair.Connect(Group, "sda"), new GuestLoad { Seed = 7 });
        // The first kill comes in the baseline or a little after it, the others later.
        for (var kill = 1; kill <= 3; kill++)
        {
            guest.AwaitWrites(150 * kill, TimeSpan.FromSeconds(60));
            pair.Pair.Agent!.Kill();
            var answered = guest.Answered;
            // qemu-img has no check for VHD and raw.
            if (format is "qcow2" or "vhdx" or "vmdk") ExternalTool.Run("qemu-img", "check", "-f", format, file);
            var raw = pair.Raw(file, format);
            var lost = guest.Lost(raw, answered);
            TestContext.Out.WriteLine($"{format}, kill {kill}: {answered.Sum(a => (long)a)} writes were answered, {lost.Count} blocks lost");
            Assert.That(lost, Is.Empty);
            if (raw != file) File.Delete(raw);
            pair.Pair.StartAgent();
            pair.AwaitInSync(Group);
        }

        guest.Stop();
        pair.VerifyEqual(Group);
    }
}
