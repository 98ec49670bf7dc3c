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
            var lost = guest.Lost(Checked(pair, file, format), answered);
            TestContext.Out.WriteLine($"{format}, kill {kill}: {answered.Sum(a => (long)a)} writes were answered, {lost.Count} blocks lost");
            Assert.That(lost, Is.Empty);
            pair.Pair.StartAgent();
            pair.AwaitInSync(Group);
        }

        guest.Stop();
        pair.VerifyEqual(Group);
    }

    /// <summary>A copy of the image as the dead agent left it, sound by qemu-img's check where that has one, as a raw file.</summary>
    private static string Checked(FollowedPair pair, string file, string format)
    {
        var copy = pair.Pair.Path("dead." + format);
        File.Copy(file, copy, overwrite: true);
        if (format is "qcow2" or "vhdx" or "vmdk")
        {
            // QEMU opens a VHDX with a log to be replayed for repairs alone.
            string[] repair = format == "vhdx" ? ["-r", "all"] : [];
            var (status, output, error) = ExternalTool.Try("qemu-img", ["check", .. repair, "-f", format, copy]);
            // 3: clusters that were taken and not yet used are wasted, as after QEMU's own death; nothing is damaged.
            Assert.That(status, Is.Zero.Or.EqualTo(format == "qcow2" ? 3 : 0), output + error);
        }

        return pair.Raw(copy, format);
    }
}
