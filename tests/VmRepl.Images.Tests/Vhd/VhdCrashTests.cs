namespace VmRepl.Images.Tests.Vhd;

internal sealed class VhdCrashTests
{
    /// <summary>
    /// The file's length and the footer at its new end are two changes to a host, so the copy at the front is what is always there; the end has one but for that moment.
    /// </summary>
    [Test]
    public void Write_CutAtAnyChange_LeavesOldOrNewContents([Range(1, 6)] int seed)
    {
        var (survivors, ends) = (0, 0);
        var crashes = CrashTrial.Run(ImageFormat.Vhd, seed, 21 << 20, null, left =>
        {
            survivors++;
            Assert.That(left.AsSpan(0, 8).SequenceEqual("conectix"u8));
            if (left.AsSpan(left.Length - 512, 8).SequenceEqual("conectix"u8)) ends++;
        });
        Assert.That(crashes, Is.GreaterThan(10));
        Assert.That(ends, Is.GreaterThan(survivors / 2));
    }
}
